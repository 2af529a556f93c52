import { expect, test } from 'vitest';
import { MemoryBroker } from '../../runtime/testing/memory-broker.ts';
import { type RecordBatch, RecordBatchBuilder, recordValue } from '../../schemas/index.ts';
import { silentLogger, systemClock } from '../../support/index.ts';
import { until } from '../../test/support/until.ts';
import { TopicTail, type TopicTailOptions } from './topic-tail.ts';

async function setUp(partitions = 2) {
  const broker = new MemoryBroker(systemClock);
  await broker.createTopics([{ name: 't', partitions, replicationFactor: 1, configs: {} }]);
  const seen: string[] = [];
  const append = (partition: number, ...values: string[]) => {
    const records = new RecordBatchBuilder();
    for (const value of values) records.append(0, null, new TextEncoder().encode(value));
    broker.append([{ topic: 't', partition, records }]);
  };
  const tail = (options: Partial<TopicTailOptions> = {}) =>
    new TopicTail({
      broker,
      topic: 't',
      from: 'start',
      rowsMax: 3,
      onBatch: (batch) => void seen.push(...valuesOf(batch)),
      clock: systemClock,
      logger: silentLogger,
      ...options,
    });
  return { broker, seen, append, tail };
}

function valuesOf(batch: RecordBatch): string[] {
  return Array.from({ length: batch.n }, (_, row) =>
    new TextDecoder().decode(recordValue(batch, row)!),
  );
}

test('everything of all partitions, in order, and then what comes', async () => {
  const { seen, append, tail } = await setUp();
  append(0, 'a1', 'a2', 'a3', 'a4', 'a5');
  append(1, 'b1');
  const following = tail();
  await following.start();
  await following.caughtUp;
  append(1, 'b2');
  await until('all seven have come', () => seen.length === 7);
  expect(seen.filter((value) => value.startsWith('a'))).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
  expect(seen.filter((value) => value.startsWith('b'))).toEqual(['b1', 'b2']);
  await following.stop();
});

test('the last so many of each partition', async () => {
  const { seen, append, tail } = await setUp(1);
  append(0, 'a1', 'a2', 'a3');
  const following = tail({ from: { last: 2 } });
  await following.start();
  await following.caughtUp;
  expect(seen).toEqual(['a2', 'a3']);
  await following.stop();
});

test('what is appended right after the start is not missed', async () => {
  const { seen, append, tail } = await setUp(1);
  append(0, 'old');
  const following = tail({ from: { last: 0 } });
  await following.start();
  expect(following.isCaughtUp).toBe(true);
  append(0, 'new');
  await until('the new one has come', () => seen.length > 0);
  expect(seen).toEqual(['new']);
  await following.stop();
});

test('a batch that could not be taken in comes again', async () => {
  const { append, tail } = await setUp(1);
  const taken: string[] = [];
  let failures = 1;
  const following = tail({
    onBatch: (batch) => {
      if (failures-- > 0) throw new Error('not now');
      taken.push(...valuesOf(batch));
    },
  });
  append(0, 'a', 'b');
  await following.start();
  await following.caughtUp;
  expect(taken).toEqual(['a', 'b']);
  await following.stop();
});

test('records that retention took are skipped, and said so', async () => {
  const { broker, seen, append, tail } = await setUp(1);
  append(0, 'a', 'b', 'c', 'd');
  const skips: number[][] = [];
  const following = tail({
    from: new Map([[0, 1]]),
    onSkip: (...skip) => void skips.push(skip),
    onBatch: (batch) => {
      if (skips.length === 0) {
        broker.partition('t', 0).trim(3);
        throw new Error('as if the reader had been slow');
      }
      seen.push(...valuesOf(batch));
    },
  });
  await following.start();
  await following.caughtUp;
  expect(skips).toEqual([[0, 1, 3]]);
  expect(seen).toEqual(['d']);
  await following.stop();
});

test('a topic that was made anew is read from its start', async () => {
  const { broker, seen, append, tail } = await setUp(1);
  append(0, 'a', 'b', 'c');
  const following = tail();
  await following.start();
  await following.caughtUp;
  await broker.deleteTopics(['t']);
  await broker.createTopics([{ name: 't', partitions: 1, replicationFactor: 1, configs: {} }]);
  append(0, 'new');
  await following.stop();
  const resumed = tail({ from: new Map([[0, 3]]) });
  await resumed.start();
  await until('the new one has come', () => seen.length === 4);
  expect(seen).toEqual(['a', 'b', 'c', 'new']);
  await resumed.stop();
});
