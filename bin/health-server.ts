// The small HTTP port of a process without a gateway: probes for Kubernetes and metrics for Prometheus.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MeanstreamError, type Metrics } from '../support/index.ts';

export interface Probe {
  readonly ok: boolean;
  /** Shown with ?verbose. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface HealthServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Answers for `/livez`, `/readyz` and `/startupz`, asked anew each time. */
  readonly probes: Readonly<Record<'livez' | 'readyz' | 'startupz', () => Probe>>;
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
      reject(error.code === 'EADDRINUSE' ? portTakenError(options.port, 'metrics.port') : error);
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

export function portTakenError(port: number, setting: string, flag = ''): MeanstreamError {
  const remedy = flag === '' ? `--set ${setting}=${port + 1}` : `${flag} ${port + 1}`;
  return new MeanstreamError(
    'MEANSTREAM_PORT_TAKEN',
    `Port ${port} is taken by another process; choose one with ${remedy}, or 0 for any free one.`,
    { port },
  );
}

async function answer(
  { metrics, probes }: HealthServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const name = pathname.slice(1);
  if (name === 'metrics') {
    response.writeHead(200, { 'content-type': metrics.registry.contentType });
    response.end(await metrics.registry.metrics());
  } else if (name === 'livez' || name === 'readyz' || name === 'startupz') {
    const { ok, details } = probes[name]();
    const body = searchParams.has('verbose') ? { ok, ...details } : { ok };
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  } else {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('/livez /readyz /startupz /metrics\n');
  }
}
