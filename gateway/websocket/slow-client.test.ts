// Clients that stop reading, over real sockets.

import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { topics } from '../../schemas/index.ts';
import { assignmentRecord, type GatewayFixture, startGateway } from '../testing/gateway-fixture.ts';

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await startGateway({
    dashboardDir: mkdtempSync(join(tmpdir(), 'dashboard-')),
    limits: { backpressureBytesMax: 262_144, slowClientMsMax: 800 },
  });
});
afterAll(() => fixture.stop());

/** Opens a WebSocket and never reads what comes. */
function deafClient(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        'GET /v1/assignments/live HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
          'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      socket.once('data', () => {
        socket.pause();
        resolve(socket);
      });
    });
    socket.on('error', () => {});
  });
}

test('a deaf client is closed, its memory stays bounded, and a healthy one misses nothing', async () => {
  const port = Number(new URL(fixture.url).port);
  const deaf = await deafClient(port);
  const healthy = new WebSocket(`ws://127.0.0.1:${port}/v1/assignments/live`);
  let received = 0;
  let gaps = 0;
  healthy.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { type: string; assignments: unknown[] };
    if (frame.type === 'gap') gaps += 1;
    else received += frame.assignments.length;
  });
  await new Promise((resolve) => healthy.once('open', resolve));

  const connections = async () => (await fixture.metrics.wsConnections.get()).values[0]!.value;
  expect(await connections()).toBe(2);
  let sent = 0;
  const end = Date.now() + 15_000;
  while ((await connections()) > 1) {
    expect(Date.now()).toBeLessThan(end);
    const records = Array.from({ length: 2_000 }, (_, i) => assignmentRecord({ offset: sent + i }));
    await fixture.append(topics.assignments, 0, records);
    sent += records.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const { values } = await fixture.metrics.wsMessagesDropped.get();
  expect(values[0]!.value).toBeGreaterThan(0);
  const wait = Date.now() + 5_000;
  while (received < sent && Date.now() < wait) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect({ received, gaps }).toEqual({ received: sent, gaps: 0 });
  deaf.destroy();
  healthy.terminate();
});
