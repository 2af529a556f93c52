// A gateway that is asked to hold more than it may, through real sockets: requests that do not end.

import { createConnection, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import { type GatewayFixture, modelOf, startGateway } from './testing/gateway-fixture.ts';

const limits = { bodyBytesHeldMax: 4_096, requestsInFlightMax: 3, decisionWaitMsMax: 1_000 };
let fixture: GatewayFixture;
const sockets: Socket[] = [];

beforeAll(async () => {
  fixture = await startGateway({ limits });
  await fixture.publishModel(
    modelOf([
      [0, 0],
      [5, 5],
    ]),
  );
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => fixture.stop());

/** A connection, and what has come over it. */
async function connect() {
  const socket = createConnection(Number(new URL(fixture.url).port), '127.0.0.1');
  sockets.push(socket);
  const heard = { text: '' };
  socket.on('data', (chunk: Buffer) => {
    heard.text += chunk.toString();
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, heard };
}

const head = (path: string, bytes: number) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;

/** All of a request that is let in but its last byte. */
async function begin(path: string, bytes: number) {
  const connection = await connect();
  connection.socket.write(head(path, bytes) + ' '.repeat(bytes - 1));
  // Nothing says that it has been read.
  await systemClock.sleep(50);
  return connection;
}

async function post(path: string, bytes = 0): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ points: [{ vector: [1, 2] }] }).padEnd(bytes, ' ');
  return fetch(`${fixture.url}${path}`, { method: 'POST', headers, body });
}

test('more bytes than may be held are refused until there is room, also when a client has gone', async () => {
  const { socket } = await begin('/v1/points', 3_000);
  const refused = await post('/v1/points', 2_000);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({
    code: 'MEANSTREAM_TOO_MANY_REQUESTS',
    detail: '2999 bytes of requests wait for their answer, 4096 is the most; send more slowly.',
  });
  expect((await post('/v1/points', 1_000)).status).toBe(202);
  socket.destroy();
  await until('there is room again', async () => (await post('/v1/points', 2_000)).status === 202);
});

test('more requests than may wait are refused', async () => {
  for (let i = 0; i < limits.requestsInFlightMax; i += 1) await begin('/v1/points', 100);
  expect((await post('/v1/points')).status).toBe(429);
});

test('where points are refused, questions are answered', async () => {
  await begin('/v1/points', 4_000);
  expect((await post('/v1/points', 200)).status).toBe(429);
  expect((await fetch(`${fixture.url}/v1/models`)).status).toBe(200);
  expect((await post('/v1/assign', 2_000)).status).toBe(200);
});

test('who is refused while still sending hears it, and goes on over the same connection', async () => {
  await begin('/v1/points', 4_000);
  expect((await post('/v1/points', 200)).status).toBe(429);
  const { socket, heard } = await connect();
  socket.write(head('/v1/points', 1_000));
  await until('it is refused', () => heard.text.startsWith('HTTP/1.1 429'));
  for (let part = 0; part < 10; part += 1) {
    socket.write('x'.repeat(100));
    await systemClock.sleep(2);
  }
  heard.text = '';
  socket.write('GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the next request is answered', () => heard.text.startsWith('HTTP/1.1 200'));
});

test('who goes away makes room only when what it asked for is over', async () => {
  const path = '/v1/aliases/challenger';
  const body = '{"version":"1.0.0"}';
  for (let i = 0; i < limits.requestsInFlightMax; i += 1) {
    const { socket } = await connect();
    socket.write(head(path, body.length).replace('POST', 'PUT') + body);
    await systemClock.sleep(20);
    socket.destroy();
  }
  const headers = { 'content-type': 'application/json' };
  const put = () => fetch(`${fixture.url}${path}`, { method: 'PUT', headers, body });
  expect((await put()).status).toBe(429);
  // Nobody decides here.
  await until('there is room again', async () => (await put()).status === 202);
});

test('what is announced and does not come keeps nobody out', async () => {
  const { socket } = await connect();
  socket.write(head('/v1/points', 4_000));
  await systemClock.sleep(50);
  expect((await post('/v1/points', 2_000)).status).toBe(202);
});

test('a body that does not say how long it is counts as it comes', async () => {
  await begin('/v1/points', 3_000);
  const { socket, heard } = await connect();
  socket.write(
    'POST /v1/points HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`7d0\r\n${' '.repeat(2_000)}\r\n`);
  await until('it is refused', () => heard.text.startsWith('HTTP/1.1 429'));
  await closed;
});
