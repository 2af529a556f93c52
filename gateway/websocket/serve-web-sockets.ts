// The socket side of WebSocket: upgrades (bounded, same origin for browsers), and the life of a connection. Clients
// are spoken to, not listened to: what they send is read and forgotten.

import uws, { type HttpRequest, type HttpResponse, type TemplatedApp } from 'uWebSockets.js';
import type { Clock, Logger, Metrics } from '../../support/index.ts';
import type { GatewayResponse } from '../http.ts';
import type { GatewayLimits } from '../limits.ts';
import { ProblemError, problemOf, problemResponse } from '../problem.ts';
import { LiveClient } from './live-client.ts';
import { OpenConnections } from './open-connections.ts';

/** What is at a WebSocket address. */
export interface LiveEndpoint {
  readonly path: string;
  /** Reads the query of the upgrade; what it throws refuses it. @returns how to join and leave. */
  readonly accept: (query: URLSearchParams) => LiveStream;
}

export interface LiveStream {
  readonly join: (client: LiveClient) => void;
  readonly leave: (client: LiveClient) => void;
}

export interface WebSocketOptions {
  readonly endpoints: readonly LiveEndpoint[];
  readonly limits: GatewayLimits;
  /** Origins of other sites whose pages may connect, e.g. "https://dashboard.example.com". */
  readonly allowedOrigins: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Connection {
  readonly stream: LiveStream;
  readonly address: string;
  client: LiveClient | undefined;
}

const idleTimeoutSeconds = 60;
const utf8 = new TextDecoder();

export function serveWebSockets(app: TemplatedApp, options: WebSocketOptions): void {
  const { endpoints, limits, clock, metrics } = options;
  const open = new OpenConnections(limits);
  for (const endpoint of endpoints) {
    app.ws<Connection>(endpoint.path, {
      compression: uws.DISABLED,
      idleTimeout: idleTimeoutSeconds,
      sendPingsAutomatically: true,
      maxPayloadLength: limits.webSocketMessageBytesMax,
      // LiveClient bounds what waits; 0 turns off the library's own limit, which drops without a word.
      maxBackpressure: 0,
      upgrade: (response, request, context) => {
        try {
          checkOrigin(request, options.allowedOrigins);
          const address = utf8.decode(response.getRemoteAddressAsText());
          open.checkRoom(address);
          const stream = endpoint.accept(new URLSearchParams(request.getQuery()));
          response.upgrade<Connection>(
            { stream, address, client: undefined },
            request.getHeader('sec-websocket-key'),
            request.getHeader('sec-websocket-protocol'),
            request.getHeader('sec-websocket-extensions'),
            context,
          );
        } catch (error) {
          refuse(response, request, error, options.logger);
        }
      },
      open: (socket) => {
        const connection = socket.getUserData();
        const client = new LiveClient({
          socket: {
            send: (frame, isBinary) => void socket.send(frame, isBinary),
            bufferedBytes: () => socket.getBufferedAmount(),
            end: (code, reason) => socket.end(code, reason),
          },
          backpressureBytesMax: limits.backpressureBytesMax,
          slowClientMsMax: limits.slowClientMsMax,
          clock,
          metrics,
        });
        connection.client = client;
        open.add(connection.address);
        metrics.wsConnections.inc();
        connection.stream.join(client);
      },
      drain: (socket) => socket.getUserData().client?.drained(),
      close: (socket) => {
        const { client, stream, address } = socket.getUserData();
        if (client === undefined) return;
        client.closed();
        stream.leave(client);
        open.remove(address);
        metrics.wsConnections.dec();
      },
    });
  }
}

function refuse(
  response: HttpResponse,
  request: HttpRequest,
  error: unknown,
  logger: Logger,
): void {
  const problem = problemOf(error);
  if (problem.kind === 'internal-error') logger.error({ err: error }, 'an upgrade failed');
  const { status, headers, body }: GatewayResponse = problemResponse(problem, request.getUrl());
  response.cork(() => {
    response.writeStatus(String(status));
    for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
    response.end(body);
  });
}

/** A page of another site must not read the stream with the help of somebody's browser. Programs send no Origin. */
function checkOrigin(request: HttpRequest, allowedOrigins: readonly string[]): void {
  const origin = request.getHeader('origin');
  if (origin === '' || allowedOrigins.includes(origin)) return;
  if (URL.canParse(origin) && new URL(origin).host === request.getHeader('host')) return;
  throw new ProblemError('origin-refused', `Pages of ${origin} may not connect here.`);
}
