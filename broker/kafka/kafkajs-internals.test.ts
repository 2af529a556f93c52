// We stand on inner modules of kafkajs: these tests fail when another version, or other shapes, are installed.

import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { silentLogger } from '../../support/index.ts';
import { answerMemory } from './answers-beside.ts';
import { errorName, KafkaNode, MemberAssignment, MemberMetadata } from './kafkajs-internals.ts';

const require = createRequire(import.meta.url);
const options = {
  clientId: 'test',
  ssl: undefined,
  sasl: undefined,
  connectMsMax: 1_000,
  requestMsMax: 1_000,
  logger: silentLogger,
  memory: answerMemory(),
};

test('kafkajs is the version whose inner modules we know', () => {
  expect((require('kafkajs/package.json') as { version: string }).version).toBe('2.2.4');
});

test('a connection, its request queue and a node have the parts we reach for', () => {
  const Connection = require('kafkajs/src/network/connection.js');
  const RequestQueue = require('kafkajs/src/network/requestQueue/index.js');
  const Node = require('kafkajs/src/broker/index.js');
  for (const name of ['send', 'rejectRequests', 'disconnect']) {
    expect(typeof Connection.prototype[name]).toBe('function');
  }
  expect(typeof RequestQueue.prototype.scheduleCheckPendingRequests).toBe('function');
  for (const name of ['connect', 'isConnected']) {
    expect(typeof Node.prototype[name]).toBe('function');
  }
});

test('an encoder hands out its buffer up to its offset, without looking at it', () => {
  const Encoder = require('kafkajs/src/protocol/encoder.js');
  const encoder = new Encoder(1);
  encoder.buf = Buffer.from('finished bytes and more');
  encoder.offset = 14;
  expect(new Encoder().writeEncoder(encoder).buffer.toString()).toBe('finished bytes');
});

test('error codes have the names we sort them by', () => {
  const codes = [1, 3, 6, 7, 10, 14, 15, 16, 18, 25, 27, 47, 51, 68, 69, 88, 90];
  expect(codes.map(errorName)).toEqual([
    'OFFSET_OUT_OF_RANGE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'NOT_LEADER_FOR_PARTITION',
    'REQUEST_TIMED_OUT',
    'MESSAGE_TOO_LARGE',
    'GROUP_LOAD_IN_PROGRESS',
    'GROUP_COORDINATOR_NOT_AVAILABLE',
    'NOT_COORDINATOR_FOR_GROUP',
    'RECORD_LIST_TOO_LARGE',
    'UNKNOWN_MEMBER_ID',
    'REBALANCE_IN_PROGRESS',
    'INVALID_PRODUCER_EPOCH',
    'CONCURRENT_TRANSACTIONS',
    'NON_EMPTY_GROUP',
    'GROUP_ID_NOT_FOUND',
    'UNSTABLE_OFFSET_COMMIT',
    'PRODUCER_FENCED',
  ]);
  expect(errorName(9_999)).toBe('ERROR_9999');
});

test('member data travels through the consumer protocol unchanged', () => {
  const userData = Buffer.from('{"ü":1}');
  const metadata = MemberMetadata.encode({ version: 1, topics: ['a', 'b'], userData });
  expect(MemberMetadata.decode(metadata)).toMatchObject({ topics: ['a', 'b'], userData });
  const assignment = MemberAssignment.encode({ version: 1, assignment: { a: [0, 2] }, userData });
  expect(MemberAssignment.decode(assignment)?.userData).toEqual(userData);
});

test('a request whose answer never comes fails in time, and so does its connection', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const node = await KafkaNode.at('127.0.0.1', port, options);
  await expect(node.connect()).rejects.toThrow();
  await node.destroy('the test is over');
  server.close();
});
