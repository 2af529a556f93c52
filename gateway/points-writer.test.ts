import { expect, test } from 'vitest';
import { type Append, type AppendedAt, type Broker, partitionOfKey } from '../broker/index.ts';
import { MemoryBroker } from '../runtime/testing/memory-broker.ts';
import { recordValue, topics } from '../schemas/index.ts';
import {
  CommitOutcomeUnknownError,
  ManualClock,
  RecordTooLargeError,
  RetriableError,
} from '../support/index.ts';
import { type PointRecord, PointsWriter } from './points-writer.ts';
import { problemOf } from './problem.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function point(value: string, key: string | null = null): PointRecord {
  return {
    key: key === null ? null : bytes(key),
    value: bytes(value),
    timestampMs: 1,
    headers: [],
  };
}

/** A log whose appends wait to be let through, or fail. */
async function setUp(partitions = 3) {
  const memory = new MemoryBroker(new ManualClock());
  await memory.createTopics([
    { name: topics.points, partitions, replicationFactor: 1, configs: {} },
  ]);
  const calls: (readonly Append[])[] = [];
  const gate: { open: (error?: Error) => void; fail?: (appends: readonly Append[]) => void } = {
    open: () => {},
  };
  const split: { at?: number } = {};
  const broker: Broker = Object.assign(Object.create(memory) as Broker, {
    listOffsets: (topic: string) => memory.listOffsets(topic),
    openWriter: async () => ({
      append: async (appends: readonly Append[]): Promise<AppendedAt[]> => {
        calls.push(appends);
        await new Promise<void>((resolve, reject) => {
          gate.open = (error) => (error === undefined ? resolve() : reject(error));
        });
        gate.fail?.(appends);
        const appended = await memory.append(appends);
        const { at: row } = split;
        if (row === undefined) return appended;
        return appended.map((at) => ({ ...at, splits: [{ row, baseOffset: 100 + row }] }));
      },
      close: async () => {},
    }),
  });
  const writer = new PointsWriter(broker);
  await writer.start();
  return { writer, calls, gate, split, memory };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('keys go where any Kafka client sends them', async () => {
  const { writer, gate } = await setUp();
  const written = writer.write([point('1', 'foobar'), point('2', 'abc'), point('3', 'foobar')]);
  gate.open();
  const places = (await written)();
  expect(places.map(({ partition }) => partition)).toEqual(
    ['foobar', 'abc', 'foobar'].map((key) => partitionOfKey(bytes(key), 3)),
  );
  expect(places[2]!.partition).toBe(places[0]!.partition);
  expect(Number(places[2]!.offset)).toBeGreaterThan(Number(places[0]!.offset));
});

test('requests that come while the log is busy go together with the next append', async () => {
  const { writer, calls, gate } = await setUp(1);
  const first = writer.write([point('1')]);
  const others = [writer.write([point('2')]), writer.write([point('3'), point('4')])];
  await turn();
  gate.open();
  expect((await first)()).toEqual([{ partition: 0, offset: '0' }]);
  await turn();
  gate.open();
  expect((await Promise.all(others)).map((placesOf) => placesOf())).toEqual([
    [{ partition: 0, offset: '1' }],
    [
      { partition: 0, offset: '2' },
      { partition: 0, offset: '3' },
    ],
  ]);
  expect(calls).toHaveLength(2);
});

test.each([
  [new RetriableError('down'), 503, 'MEANSTREAM_LOG_UNAVAILABLE'],
  [new CommitOutcomeUnknownError('who knows'), 503, 'MEANSTREAM_OUTCOME_UNKNOWN'],
  [new Error('odd'), 500, 'MEANSTREAM_INTERNAL_ERROR'],
])('%s becomes %i', async (error, status, code) => {
  const { writer, gate } = await setUp();
  const written = writer.write([point('1')]).catch(problemOf);
  gate.open(error);
  expect(await written).toMatchObject({ status, code });
});

test('a request nobody can store fails alone', async () => {
  const { writer, gate } = await setUp(1);
  gate.fail = (appends) => {
    if (appends.some(({ records }) => records.bytes.includes(0x62))) {
      throw new RecordTooLargeError('too large');
    }
  };
  const busy = writer.write([point('first')]);
  const good = writer.write([point('a')]);
  const bad = writer.write([point('b')]).catch(problemOf);
  const letThrough = setInterval(() => gate.open(), 1);
  await busy;
  expect((await good)()).toEqual([{ partition: 0, offset: '1' }]);
  expect(await bad).toMatchObject({ status: 413 });
  clearInterval(letThrough);
});

test('each point gets its own offset where records of others came between the parts of an append', async () => {
  const { writer, split, gate } = await setUp(1);
  split.at = 2;
  const written = writer.write([point('a'), point('b'), point('c'), point('d')]);
  gate.open();
  const offsets = (await written)().map(({ offset }) => offset);
  expect(offsets).toEqual(['0', '1', '102', '103']);
});

test('what is written later is nothing of what was written before in the same memory', async () => {
  const { writer, gate, memory } = await setUp(1);
  for (const value of ['first, and long', 'then', '3rd']) {
    const written = writer.write([point(value)]);
    await turn();
    gate.open();
    await written;
  }
  const reader = memory.openReader({ topic: topics.points, partition: 0 }, 0);
  const batch = await reader.read({ rowsMax: 10, waitMsMax: 0 });
  const values = Array.from({ length: batch.n }, (_, row) =>
    new TextDecoder().decode(recordValue(batch, row)!),
  );
  expect(values).toEqual(['first, and long', 'then', '3rd']);
});

test('a point that comes as the last append ends is written too', async () => {
  const { writer, gate } = await setUp(1);
  const letThrough = setInterval(() => gate.open(), 1);
  for (let ticks = 0; ticks < 10; ticks += 1) {
    await writer.write([point('before')]);
    for (let tick = 0; tick < ticks; tick += 1) await null;
    await writer.write([point('after')]);
  }
  clearInterval(letThrough);
});
