// What the contract cannot say for every log: Kafka's own defects and ours, seen on a real one. Numbers in brackets are
// defects of kafkajs that this adapter exists to avoid.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { RecordColumns } from '../../schemas/index.ts';
import { silentLogger, systemClock } from '../../support/index.ts';
import { readWithJava } from '../../test/support/java-console.ts';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { until } from '../../test/support/until.ts';
import {
  appendOf,
  codeOf,
  columns,
  newTopic,
  readCount,
  readValues,
  row,
  textOf,
  uniqueName,
} from '../testing/contract-fixtures.ts';
import { Connections } from './connections.ts';
import { KafkaBroker } from './index.ts';
import { initProducer } from './init-producer.ts';
import { KafkaTransactionalWriter } from './kafka-transactional-writer.ts';
import type { ProducerSession } from './producer-session.ts';
import { sendBatches } from './send-batches.ts';
import { signBatches } from './sign-batches.ts';
import { TopicLimits } from './topic-limits.ts';

const kafka = inject('kafka');
const bootstrapServers = 'unavailable' in kafka ? '' : kafka.bootstrapServers;
const libsDir = 'unavailable' in kafka ? undefined : kafka.libsDir;
const options = {
  bootstrapServers,
  clientId: 'real-kafka-test',
  clock: systemClock,
  logger: silentLogger,
};

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'on a real Kafka'), () => {
  const broker = new KafkaBroker(options);
  const connections = new Connections(options);
  beforeAll(async () => {
    await broker.connect();
    await connections.connect();
  });
  afterAll(async () => {
    await broker.close();
    await connections.close();
  });

  const session = (transactionalId: string | null) =>
    initProducer({ connections, lane: 'write-0', transactionalId, transactionTimeoutMs: 15_000 });

  async function send(producer: ProducerSession, topic: string, records: RecordColumns) {
    const batches = signBatches(
      [{ topic, partition: 0, records }],
      new Map([[topic, 1e6]]),
      producer,
    );
    const deadlineMs = systemClock.monotonicMs() + 10_000;
    const repeatUnclear = false;
    await sendBatches(
      { connections, lane: 'write-0', session: producer, deadlineMs, repeatUnclear },
      batches,
    );
  }

  /** A transaction held in the hand: begun, then ended as the test likes. */
  async function begin(topic: string) {
    const transactionalId = uniqueName('tx');
    const producer = await session(transactionalId);
    const { producerId, producerEpoch } = producer;
    const who = { transactionalId, producerId, producerEpoch };
    const node = await connections.coordinator('transaction', transactionalId, 'write-0');
    const topics = [{ topic, partitions: [0] }];
    await until('the partition is added', async () => {
      const { errors } = await node.call('AddPartitionsToTxn', { ...who, topics });
      return errors[0]?.partitionErrors[0]?.errorCode === 0;
    });
    return {
      send: (value: string, key: Uint8Array | null = null) =>
        send(producer, topic, columns([row(value, { key })])),
      end: (isCommit: boolean) =>
        until('the transaction ends', async () => {
          const { errorCode } = await node.call('EndTxn', { ...who, transactionResult: isCommit });
          return errorCode === 0;
        }),
    };
  }

  test('aborts that end in another order than they began stay hidden, keys of four zero bytes too (K1, K2)', async () => {
    const topic = await newTopic(broker);
    const zeroKey = new Uint8Array(4);
    const transactions = await Promise.all([0, 1, 2, 3].map(() => begin(topic)));
    for (let round = 0; round < 3; round += 1) {
      for (const [index, transaction] of transactions.entries()) {
        await transaction.send(`${index}.${round}`, zeroKey);
      }
    }
    await transactions[2]!.end(false);
    await transactions[0]!.end(false);
    await transactions[3]!.end(true);
    await transactions[1]!.end(false);
    const late = await begin(topic);
    await late.send('late');
    await late.end(true);
    const expected = ['3.0', '3.1', '3.2', 'late'];
    expect(await readValues(broker, { topic, partition: 0 }, 4)).toEqual(expected);
    if (libsDir === undefined) return;
    const judged = await readWithJava(libsDir, bootstrapServers, topic, 6_000);
    expect(judged.map(({ value }) => value)).toEqual(expected);
  });

  test('an open transaction holds the end back, and reading with it', async () => {
    const topic = await newTopic(broker);
    const open = await begin(topic);
    await open.send('later');
    const writer = await broker.openWriter();
    await writer.append([appendOf(topic, 0, ['after it'])]);
    expect(await broker.listOffsets(topic)).toEqual([{ partition: 0, logStart: 0, end: 0 }]);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    expect((await reader.read({ rowsMax: 10, waitMsMax: 300 })).n).toBe(0);
    await open.end(true);
    expect((await readCount(reader, 2)).map(({ value }) => textOf(value))).toEqual([
      'later',
      'after it',
    ]);
    await reader.close();
    await writer.close();
  });

  test('a compacted topic is read to its end over the gaps and empty batches that cleaning leaves (K3)', async () => {
    const topic = await newTopic(broker, 1, {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.001',
      'max.compaction.lag.ms': '200',
    });
    const writer = await broker.openWriter();
    // Segments roll by the timestamps of records.
    const keyed = (key: string, value: string) =>
      row(value, { key: Buffer.from(key), timestamp: systemClock.nowMs() });
    for (let round = 0; round < 40; round += 1) {
      const records = columns(['a', 'b', 'c'].map((key) => keyed(key, `${key}${round}`)));
      await writer.append([{ topic, partition: 0, records }]);
    }
    let offsets: number[] = [];
    await until('the log was cleaned', async () => {
      await systemClock.sleep(400);
      await writer.append([{ topic, partition: 0, records: columns([keyed('tick', 'x')]) }]);
      const reader = broker.openReader({ topic, partition: 0 }, 0);
      const [at] = await broker.listOffsets(topic);
      offsets = [];
      await until('the end is reached', async () => {
        const batch = await reader.read({ rowsMax: 1_000, waitMsMax: 100 });
        offsets.push(...batch.offsets.subarray(0, batch.n));
        return reader.position >= at!.end;
      });
      await reader.close();
      return offsets.length < 60;
    });
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(offsets).toContain(119);
    await writer.close();
  });

  test('record numbers wrap after 2^31 − 1 (K12)', async () => {
    const topic = await newTopic(broker);
    const producer = await session(null);
    producer.setSequence({ topic, partition: 0 }, 2 ** 31 - 3);
    for (const values of [['a', 'b', 'c', 'd', 'e'], ['f']]) {
      await send(producer, topic, columns(values.map((value) => row(value))));
    }
    expect(producer.signature({ topic, partition: 0 }, 0).baseSequence).toBe(3);
    expect(await readValues(broker, { topic, partition: 0 }, 6)).toEqual([...'abcdef']);
  });

  test('the same bytes sent twice are kept once', async () => {
    const topic = await newTopic(broker);
    const producer = await session(null);
    const [batch] = signBatches([appendOf(topic, 0, ['once'])], new Map([[topic, 1e6]]), producer);
    const sending = {
      connections,
      lane: 'write-0',
      session: producer,
      deadlineMs: systemClock.monotonicMs() + 10_000,
      repeatUnclear: true,
    };
    const first = await sendBatches(sending, [batch!]);
    const second = await sendBatches(sending, [batch!]);
    expect([...second.values()]).toEqual([...first.values()]);
    expect(await readValues(broker, { topic, partition: 0 }, 1)).toEqual(['once']);
  });

  test('a commit whose connection is lost is unclear; the next writer finds all of it or nothing', async () => {
    const [topic, group, transactionalId] = [
      await newTopic(broker),
      uniqueName('group'),
      uniqueName('tx'),
    ];
    const lane = 'doomed';
    const open = () =>
      KafkaTransactionalWriter.open({
        connections,
        limits: new TopicLimits(connections),
        lane,
        transactionalId,
        transactionTimeoutMs: 15_000,
      });
    const appended: number[] = [];
    let unclear = 0;
    for (let round = 0; round < 12; round += 1) {
      const writer = await open();
      const [at] = await broker.committedOffsets(group, [{ topic, partition: 0 }]);
      const next = at?.offset ?? 0;
      const commit = writer.commit({
        appends: [appendOf(topic, 0, [`${next}`])],
        group,
        offsets: [{ topic, partition: 0, offset: next + 1, metadata: '' }],
      });
      const cut = systemClock.sleep(round * 2).then(() => connections.closeLane(lane));
      const code = await codeOf(commit);
      await cut;
      if (code === 'none') continue;
      expect(['MEANSTREAM_COMMIT_OUTCOME_UNKNOWN', 'MEANSTREAM_RETRIABLE']).toContain(code);
      unclear += 1;
      expect(await codeOf(writer.commit({ appends: [], group, offsets: [] }))).toBe(
        'MEANSTREAM_RETRIABLE',
      );
    }
    const last = await open();
    const [at] = await broker.committedOffsets(group, [{ topic, partition: 0 }]);
    for (let next = 0; next < (at?.offset ?? 0); next += 1) appended.push(next);
    expect(await readValues(broker, { topic, partition: 0 }, appended.length)).toEqual(
      appended.map(String),
    );
    expect(unclear).toBeGreaterThan(0);
    await last.close();
  });

  test('a transaction that outlives its timeout is fenced, and nothing of it is seen', async () => {
    const topic = await newTopic(broker);
    const transactionalId = uniqueName('tx');
    const quick = { connections, lane: 'write-1', transactionalId, transactionTimeoutMs: 1_000 };
    const producer = await initProducer(quick);
    const who = {
      transactionalId,
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
    };
    const node = await connections.coordinator('transaction', transactionalId, 'write-1');
    const topics = [{ topic, partitions: [0] }];
    await node.call('AddPartitionsToTxn', { ...who, topics });
    await send(producer, topic, columns([row('never')]));
    await until(
      'the abort is in the log',
      async () => (await broker.listOffsets(topic))[0]!.end === 2,
    );
    expect(await readValues(broker, { topic, partition: 0 }, 0)).toEqual([]);
  });
});

test('no Kafka at the address is said as such, with the address', async () => {
  const nowhere = new KafkaBroker({ ...options, bootstrapServers: '127.0.0.1:1' });
  await expect(nowhere.connect()).rejects.toMatchObject({
    code: 'MEANSTREAM_DEPENDENCY_DOWN',
    message: expect.stringContaining('127.0.0.1:1'),
  });
  await nowhere.close();
});

describe.skipIf('unavailable' in kafka || libsDir === undefined)(
  titleWith(kafka, 'what Java wrote'),
  () => {
    test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
      'is read in full when compressed with %s',
      async (codec) => {
        const broker = new KafkaBroker(options);
        await broker.connect();
        const topic = await newTopic(broker);
        await writeWithJavaPerf(topic, codec, 3_000);
        const reader = broker.openReader({ topic, partition: 0 }, 0);
        const rows = await readCount(reader, 3_000);
        expect(rows.map(({ offset }) => offset)).toEqual(
          Array.from({ length: 3_000 }, (_, i) => i),
        );
        expect(rows.map(({ value }) => textOf(value))).toEqual(
          Array.from({ length: 3_000 }, (_, i) => `${i}`.padStart(8, '0').repeat(10)),
        );
        await broker.close();
      },
    );
  },
);

/** The console producer, whose lines we know, at Java's own batch sizes. */
async function writeWithJavaPerf(topic: string, codec: string, count: number): Promise<void> {
  const child = spawn('java', [
    ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${libsDir}/*`],
    'org.apache.kafka.tools.ConsoleProducer',
    ...['--bootstrap-server', bootstrapServers, '--topic', topic],
    ...['--compression-codec', codec],
  ]);
  const lines = Array.from({ length: count }, (_, i) => `${i}`.padStart(8, '0').repeat(10));
  child.stdin.end(`${lines.join('\n')}\n`);
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}
