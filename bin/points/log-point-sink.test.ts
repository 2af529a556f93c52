import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { MemoryBroker } from '../../runtime/testing/memory-broker.ts';
import { recordKey } from '../../schemas/index.ts';
import { openSource } from '../../sources/index.ts';
import { CommitOutcomeUnknownError, RetriableError, systemClock } from '../../support/index.ts';
import { followTopic } from '../follow-topic.ts';
import { LogPointSink } from './log-point-sink.ts';
import { Pace, pumpPoints } from './pump-points.ts';

const clock = systemClock;
const partitions = 3;
const rows = 12_345;
const file = join(mkdtempSync(join(tmpdir(), 'points-')), 'points.csv.gz');
const lines = Array.from({ length: rows }, (_, row) => `${row},${row % 7},0.5`);
writeFileSync(file, gzipSync(`id,a,b\n${lines.join('\n')}\n`));

async function emptyLog(): Promise<MemoryBroker> {
  const broker = new MemoryBroker(clock);
  await broker.createTopics([{ name: 'points', partitions, replicationFactor: 1, configs: {} }]);
  return broker;
}

async function produce(broker: MemoryBroker, signal: AbortSignal, resume = true) {
  const sink = await LogPointSink.open({
    broker,
    clock,
    topic: 'points',
    group: 'test-produce',
    resume,
  });
  const pace = new Pace(undefined, clock, signal);
  const source = await openSource(file, {
    clock,
    keyColumn: 'id',
    fromLine: sink.nextLine,
    chunkLinesMax: 500,
  });
  return pumpPoints({ chunks: source.chunks(), sink, pace, signal });
}

async function keysInLog(broker: MemoryBroker): Promise<number[]> {
  const keys: number[] = [];
  await followTopic(broker, {
    topic: 'points',
    fromBeginning: true,
    untilEnd: true,
    signal: new AbortController().signal,
    onBatch: (batch) => {
      for (let row = 0; row < batch.n; row += 1) {
        keys.push(Number(Buffer.from(recordKey(batch, row)!).toString()));
      }
      return true;
    },
  });
  return keys.sort((a, b) => a - b);
}

const every = Array.from({ length: rows }, (_, row) => row);

test('every row of a file is in the log once, keys spread over the partitions', async () => {
  const broker = await emptyLog();
  expect(await produce(broker, new AbortController().signal)).toBe(true);
  expect(await keysInLog(broker)).toEqual(every);
  const offsets = await broker.listOffsets('points');
  for (const { end } of offsets) expect(end).toBeGreaterThan(rows / partitions / 2);
});

test('commits that fail, or whose answer is lost, neither drop nor repeat a row', async () => {
  const broker = await emptyLog();
  let commits = 0;
  broker.faults.commit = (_transaction, apply) => {
    commits += 1;
    if (commits % 5 === 2) throw new RetriableError('the broker is away');
    if (commits % 5 === 4) {
      apply();
      throw new CommitOutcomeUnknownError('the answer is lost');
    }
  };
  await produce(broker, new AbortController().signal);
  expect(await keysInLog(broker)).toEqual(every);
});

test('a run that was stopped is taken up where it stopped', async () => {
  const broker = await emptyLog();
  for (const commitsBeforeStop of [1, 7, 12]) {
    const stop = new AbortController();
    let commits = 0;
    broker.faults.commit = () => {
      commits += 1;
      if (commits === commitsBeforeStop) stop.abort();
    };
    expect(await produce(broker, stop.signal)).toBe(false);
  }
  broker.faults.commit = () => {};
  expect(await produce(broker, new AbortController().signal)).toBe(true);
  expect(await keysInLog(broker)).toEqual(every);
});

test('without resume a file begins again at its first row', async () => {
  const broker = await emptyLog();
  await produce(broker, new AbortController().signal);
  await produce(broker, new AbortController().signal, false);
  expect(await keysInLog(broker)).toHaveLength(2 * rows);
});
