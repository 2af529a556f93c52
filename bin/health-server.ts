// The small HTTP port of a process without a gateway: probes for Kubernetes and metrics for Prometheus.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HealthReport } from '../gateway/index.ts';
import { portTakenError } from './free-port.ts';

export interface HealthServerOptions {
  readonly host: string;
  readonly port: number;
  /** What /metrics answers. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** Asked anew for each probe. */
  readonly health: () => HealthReport;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws MeanstreamError MEANSTREAM_PORT_TAKEN. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      response.writeHead(500).end(error instanceof Error ? error.message : 'failed');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE' ? portTakenError(options.port, '--set metrics.port') : error,
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

async function answer(
  { metrics, health }: HealthServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const name = pathname.slice(1);
  if (name === 'metrics') {
    response.writeHead(200, { 'content-type': metrics.contentType });
    response.end(await metrics.metrics());
  } else if (name === 'livez' || name === 'readyz' || name === 'startupz') {
    answerProbe(health(), name, searchParams.has('verbose'), response);
  } else {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('/livez /readyz /startupz /metrics\n');
  }
}

const probes = { livez: 'live', readyz: 'ready', startupz: 'started' } as const;

/** As the gateway answers: a word for machines, everything known with ?verbose. */
function answerProbe(
  report: HealthReport,
  probe: keyof typeof probes,
  isVerbose: boolean,
  response: ServerResponse,
): void {
  const ok = report[probes[probe]];
  const why = report.reasons.length > 0 ? `: ${report.reasons.join('; ')}` : '';
  const type = isVerbose ? 'application/json' : 'text/plain; charset=utf-8';
  response.writeHead(ok ? 200 : 503, { 'content-type': type, 'cache-control': 'no-store' });
  if (isVerbose) response.end(JSON.stringify({ ok, ...report }));
  else response.end(ok ? 'ok\n' : `not ok${why}\n`);
}
