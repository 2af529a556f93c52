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

const handshake =
  'GET /v1/assignments/live HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** Opens a WebSocket and never reads what comes. */
function deafClient(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(handshake);
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

/** Reads 1 KB a second, or, with 0, nothing, and does not even answer that the other side has closed. */
function slowSocket(port: number, bytesPerSecond: number): Promise<() => void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
      socket.write(handshake);
      const reading = setInterval(() => bytesPerSecond > 0 && socket.read(bytesPerSecond), 1_000);
      socket.once('readable', () =>
        resolve(() => {
          clearInterval(reading);
          socket.destroy();
        }),
      );
    });
    socket.on('error', () => {});
  });
}

interface Hearing {
  readonly client: WebSocket;
  received: number;
  gaps: number;
  code: number | undefined;
}

async function hearing(port: number): Promise<Hearing> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/v1/assignments/live`);
  const heard: Hearing = { client, received: 0, gaps: 0, code: undefined };
  client.on('message', (data: Buffer) => {
    if (data.includes('"type":"gap"')) heard.gaps += 1;
    else heard.received += data.toString().split('"clusterId"').length - 1;
  });
  client.on('close', (code) => {
    heard.code = code;
  });
  client.on('error', () => {});
  await new Promise((resolve) => client.once('open', resolve));
  return heard;
}

test('of a hundred clients those that read nothing or 1 KB/s are closed with a code, and the others miss nothing', async () => {
  const port = Number(new URL(fixture.url).port);
  const connections = async () => (await fixture.metrics.wsConnections.get()).values[0]!.value;
  while ((await connections()) > 0) await pause(20);
  const all = (count: number, open: () => Promise<Hearing>) =>
    Promise.all(Array.from({ length: count }, open));
  const healthy = await all(65, () => hearing(port));
  const deaf = await all(20, () => hearing(port));
  for (const { client } of deaf) client.pause();
  const narrow = await Promise.all(Array.from({ length: 10 }, () => slowSocket(port, 1_024)));
  const halfOpen = await Promise.all(Array.from({ length: 5 }, () => slowSocket(port, 0)));
  expect(await connections()).toBe(100);

  let sent = 0;
  const end = Date.now() + 120_000;
  while ((await connections()) > healthy.length) {
    expect(Date.now()).toBeLessThan(end);
    const records = Array.from({ length: 1_000 }, (_, i) => assignmentRecord({ offset: sent + i }));
    await fixture.append(topics.assignments, 0, records);
    sent += records.length;
    // As fast as the healthy ones read, in this one thread with the gateway.
    while (healthy.some(({ received }) => received < sent) && Date.now() < end) await pause(5);
  }
  for (const { received, gaps, code } of healthy) {
    expect({ received, gaps, code }).toEqual({ received: sent, gaps: 0, code: undefined });
  }
  // Who reads again finds the close frame behind what was on its way.
  for (const { client } of deaf) client.resume();
  while (deaf.some(({ code }) => code === undefined) && Date.now() < end) await pause(20);
  expect(new Set(deaf.map(({ code }) => code))).toEqual(new Set([1013]));
  for (const { client } of healthy) client.terminate();
  for (const close of [...narrow, ...halfOpen]) close();
}, 180_000);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
