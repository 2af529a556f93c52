// The socket side of HTTP: copies a request out of uWebSockets.js (its objects die when the handler returns), gathers
// the body up to the limit, runs the route and answers once, corked, unless the client has gone.
//
// uWebSockets.js refuses header blocks above 4,096 bytes by itself; whoever needs more sets UWS_HTTP_MAX_HEADERS_SIZE
// in the environment of the process, for it is read when the library is loaded.

import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import type { Clock, Logger, Metrics } from '../support/index.ts';
import type { GatewayRequest, GatewayResponse } from './http.ts';
import type { GatewayLimits } from './limits.ts';
import { ProblemError, problemOf, problemResponse } from './problem.ts';
import type { Match, Router } from './router.ts';

export interface TransportOptions {
  readonly router: Router;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const knownMethods = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD'];

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly startedMs: number;
  route: string;
  open: boolean;
}

const everyAnswer: readonly (readonly [string, string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
];

/** Serves every HTTP request of `app` that is not an upgrade. */
export function serveHttp(app: TemplatedApp, options: TransportOptions): void {
  const { router, limits, clock, logger, metrics } = options;
  let inFlight = 0;

  app.any('/*', (response, request) => {
    const exchange: Exchange = {
      method: request.getMethod().toUpperCase(),
      path: request.getUrl(),
      startedMs: clock.monotonicMs(),
      route: 'none',
      open: true,
    };
    inFlight += 1;
    const close = () => {
      if (exchange.open) inFlight -= 1;
      exchange.open = false;
    };
    response.onAborted(close);
    const answer = (value: GatewayResponse, closeConnection = false) => {
      if (!exchange.open) return;
      close();
      send(response, exchange.method, value, closeConnection);
      observe(metrics, clock, exchange, value.status);
    };
    const fail = (error: unknown, closeConnection = false) => {
      const problem = problemOf(error);
      if (problem.status >= 500) logFailure(logger, exchange, problem);
      answer(problemResponse(problem, exchange.path), closeConnection);
    };
    try {
      const match = router.match(exchange.method, exchange.path);
      exchange.route = match.route.path;
      if (inFlight > limits.requestsInFlightMax) throw tooMany(inFlight);
      const copy = copied(request, exchange, match);
      if (!hasBody(exchange)) return void run(match, copy, answer, fail);
      checkLength(request, limits);
      readBody(
        response,
        limits.bodyBytesMax,
        (body) => run(match, { ...copy, body }, answer, fail),
        () => fail(tooLarge(limits), true),
      );
    } catch (error) {
      fail(error, hasBody(exchange));
    }
  });
}

function run(
  { route }: Match,
  request: GatewayRequest,
  answer: (response: GatewayResponse) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const response = route.handle(request);
    if (response instanceof Promise) response.then(answer, fail);
    else answer(response);
  } catch (error) {
    fail(error);
  }
}

function hasBody({ method }: Exchange): boolean {
  return method === 'POST' || method === 'PUT';
}

const noBody = new Uint8Array(0);

function copied(request: HttpRequest, exchange: Exchange, { params }: Match): GatewayRequest {
  const contentType = request.getHeader('content-type').split(';', 1)[0]!.trim().toLowerCase();
  return {
    method: exchange.method,
    path: exchange.path,
    params,
    query: new URLSearchParams(request.getQuery()),
    contentType,
    ifNoneMatch: request.getHeader('if-none-match'),
    ifMatch: request.getHeader('if-match'),
    body: noBody,
  };
}

function checkLength(request: HttpRequest, limits: GatewayLimits): void {
  if (Number(request.getHeader('content-length') || 0) > limits.bodyBytesMax)
    throw tooLarge(limits);
}

function readBody(
  response: HttpResponse,
  bytesMax: number,
  done: (body: Uint8Array) => void,
  overflow: () => void,
): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let over = false;
  response.onData((chunk, isLast) => {
    if (over) return;
    bytes += chunk.byteLength;
    if (bytes > bytesMax) {
      over = true;
      return overflow();
    }
    // The chunk is taken away from us when this returns.
    chunks.push(new Uint8Array(chunk.slice(0)));
    if (isLast) done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
}

function send(
  response: HttpResponse,
  method: string,
  { status, headers, body }: GatewayResponse,
  closeConnection: boolean,
): void {
  response.cork(() => {
    response.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    for (const [name, value] of everyAnswer) response.writeHeader(name, value);
    for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
    if (method === 'HEAD') response.endWithoutBody(Buffer.byteLength(body));
    else response.end(body, closeConnection);
  });
}

function observe(metrics: Metrics, clock: Clock, exchange: Exchange, status: number): void {
  const { method, route, startedMs } = exchange;
  const known = knownMethods.includes(method) ? method : 'other';
  metrics.httpRequestDuration.observe(
    { method: known, route, status: String(status) },
    (clock.monotonicMs() - startedMs) / 1_000,
  );
}

function logFailure(logger: Logger, { method, path }: Exchange, problem: ProblemError): void {
  const fields = { method, path, code: problem.code, err: problem.cause };
  if (problem.kind === 'internal-error') logger.error(fields, 'a request failed');
  else logger.debug(fields, 'a request could not be served');
}

function tooLarge({ bodyBytesMax }: GatewayLimits): ProblemError {
  return new ProblemError(
    'body-too-large',
    `A request may have ${bodyBytesMax} bytes; send the points in smaller requests.`,
    { fields: { bodyBytesMax } },
  );
}

function tooMany(inFlight: number): ProblemError {
  return new ProblemError(
    'too-many-requests',
    `${inFlight} requests are being served; try again.`,
    {
      headers: { 'retry-after': '1' },
    },
  );
}
