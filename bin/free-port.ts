// Whether a port is free, before anything is opened that would have to be closed again. uWebSockets.js shares a port
// with another process of the same user instead of failing; two gateways on one port would take turns.

import { createServer } from 'node:net';
import { MeanstreamError } from '../support/index.ts';

/** @param flag how the user chooses another, such as "--port". @throws MeanstreamError MEANSTREAM_PORT_TAKEN. */
export async function requireFreePort(host: string, port: number, flag: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? portTakenError(port, flag) : error);
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

export function portTakenError(port: number, flag: string): MeanstreamError {
  const separator = flag.startsWith('--set') ? '=' : ' ';
  return new MeanstreamError(
    'MEANSTREAM_PORT_TAKEN',
    `Port ${port} is taken by another process; choose another with ${flag}${separator}${port + 1}, or 0 for any free one.`,
    { port },
  );
}
