// A running application against a log that fails: what counts is that everything is counted once in the end.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ProcessingGuarantee, Transaction } from '../broker/index.ts';
import { RecordBatchBuilder } from '../schemas/index.ts';
import {
  CommitOutcomeUnknownError,
  FatalError,
  Metrics,
  Random,
  RetriableError,
  systemClock,
} from '../support/index.ts';
import { until } from '../test/support/until.ts';
import type { StreamRuntimeOptions } from './options.ts';
import { StreamRuntime } from './stream-runtime.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { readAll } from './testing/read-all.ts';
import { expectedTotals, totalsOf, wordCount } from './testing/word-count.ts';

let broker: MemoryBroker;
let stateDir: string;
const metrics = new Metrics();

beforeEach(async () => {
  broker = new MemoryBroker(systemClock);
  stateDir = await mkdtemp(join(tmpdir(), 'meanstream-faults-'));
  const spec = { partitions: 2, replicationFactor: 1, configs: {} };
  await broker.createTopics([
    { name: 'lines', ...spec },
    { name: 'totals', ...spec },
  ]);
});

afterEach(() => rm(stateDir, { recursive: true, force: true }));

function runtimeWith(options: Partial<StreamRuntimeOptions> = {}): StreamRuntime {
  return new StreamRuntime({
    ...{ topology: wordCount(), broker, instanceId: 'one', clock: systemClock, stateDir, metrics },
    applicationId: 'app',
    storeEngine: 'rocksdb',
    commitIntervalMs: 5,
    sessionTimeoutMs: 300,
    ...options,
  });
}

function send(partition: number, lines: readonly string[]): void {
  const records = new RecordBatchBuilder();
  for (const line of lines) records.append(0, null, new TextEncoder().encode(line));
  broker.append([{ topic: 'lines', partition, records }]);
}

test('commits that fail, whose outcome is unknown, or that meet another owner change nothing in the end', async () => {
  const random = new Random(11);
  const runtime = runtimeWith();
  await runtime.start();
  let commits = 0;
  broker.faults.commit = (_, apply) => {
    commits += 1;
    if (commits % 4 === 1) throw new RetriableError('not now');
    if (commits % 4 === 2) throw new CommitOutcomeUnknownError('no answer: it was not applied');
    if (commits % 4 === 0) return;
    apply();
    throw new CommitOutcomeUnknownError('no answer: it was applied');
  };
  const lines: string[][] = [[], []];
  for (let round = 0; round < 40; round++) {
    const partition = random.below(2);
    const some = Array.from({ length: 1 + random.below(20) }, () => `w${random.below(9)}`);
    lines[partition]!.push(...some);
    send(partition, some);
    if (round % 10 === 9) broker.fence('app-count_0');
    await systemClock.sleep(random.below(20));
  }
  const expected = lines.flatMap(expectedTotals);
  await until(
    'all is counted',
    async () => (await readAll(broker, 'totals')).length >= expected.length,
  );
  await runtime.stop();
  expect(commits).toBeGreaterThanOrEqual(4);
  expect(totalsOf(await readAll(broker, 'totals'))).toEqual(expected);
});

test('at least once: what was cut off before the offsets is made again, and nothing is lost', async () => {
  const cutOff = new Set([3, 8, 9]);
  let commits = 0;
  const open = broker.openTransactionalWriter.bind(broker);
  broker.openTransactionalWriter = async (id: string, guarantee?: ProcessingGuarantee) => {
    expect(guarantee).toBe('at_least_once');
    const writer = await open(id);
    const commit = async (transaction: Transaction) => {
      commits += 1;
      if (!cutOff.has(commits)) return writer.commit(transaction);
      await writer.commit({ ...transaction, offsets: [] });
      throw new CommitOutcomeUnknownError('appended, and no more');
    };
    return { ...writer, commit };
  };
  const runtime = runtimeWith({ processingGuarantee: 'at_least_once' });
  await runtime.start();
  const lines = Array.from({ length: 60 }, (_, i) => `w${i % 4}`);
  for (let i = 0; i < lines.length; i += 5) {
    send(0, lines.slice(i, i + 5));
    const seen = (await readAll(broker, 'totals')).length;
    await until('more is counted', async () => (await readAll(broker, 'totals')).length > seen);
  }
  const committed = async () => broker.committedOffsets('app', [{ topic: 'lines', partition: 0 }]);
  await until('all is committed', async () => (await committed())[0]?.offset === lines.length);
  await runtime.stop();
  const totals = totalsOf(await readAll(broker, 'totals'));
  expect(commits).toBeGreaterThan(9);
  expect(totals.length).toBeGreaterThan(lines.length);
  for (let i = 0; i < 4; i++) {
    const counts = totals.map((total) => total.split(' ')).filter(([word]) => word === `w${i}`);
    expect(Math.max(...counts.map(([, count]) => Number(count)))).toBeGreaterThanOrEqual(15);
  }
});

test('a state that a crash at least once has left ahead of the group is refused exactly once, with what to do', async () => {
  let isCutOff = false;
  const open = broker.openTransactionalWriter.bind(broker);
  broker.openTransactionalWriter = async (id: string) => {
    const writer = await open(id);
    const commit = (transaction: Transaction) =>
      writer.commit(isCutOff ? { ...transaction, offsets: [] } : transaction);
    return { ...writer, commit };
  };
  const before = runtimeWith({ processingGuarantee: 'at_least_once' });
  await before.start();
  send(0, ['a']);
  await until('the first is counted', async () => (await readAll(broker, 'totals')).length === 1);
  isCutOff = true;
  send(0, ['b']);
  await until('the second is counted', async () => (await readAll(broker, 'totals')).length === 2);
  await before.stop();
  broker.openTransactionalWriter = open;
  const fatal: Error[] = [];
  const after = runtimeWith({ onFatal: (error) => void fatal.push(error) });
  await after.start();
  await until('it gives up', () => fatal.length > 0);
  expect(fatal[0]!.message).toContain('start with that guarantee once more');
  await after.stop();
});

test('a state whose group has no offset any more is refused: from the start of the log it would count twice', async () => {
  const before = runtimeWith();
  await before.start();
  send(0, ['a', 'b']);
  await until('both are counted', async () => (await readAll(broker, 'totals')).length === 2);
  await before.stop();
  await broker.deleteOffsets('app');
  const fatal: Error[] = [];
  const after = runtimeWith({ onFatal: (error) => void fatal.push(error) });
  await after.start();
  await until('it gives up', () => fatal.length > 0);
  expect(fatal[0]!.message).toContain(
    'has taken in lines-0 up to offset 2, but the group has no offset',
  );
  expect(fatal[0]!.message).toContain('--to-offset 2');
  await after.stop();
  expect(totalsOf(await readAll(broker, 'totals'))).toEqual(['a 1', 'b 1']);
});

test('input that retention has taken goes on at the start of what is left, and says so', async () => {
  const runtime = runtimeWith();
  await runtime.start();
  send(0, ['a']);
  await until('the first is counted', async () => (await readAll(broker, 'totals')).length === 1);
  await runtime.stop();
  send(0, ['lost', 'kept']);
  broker.partition('lines', 0).trim(2);
  const warnings: string[] = [];
  const again = runtimeWith({
    logger: {
      ...{ debug: () => {}, info: () => {}, error: () => {} },
      warn: (_, message) => void warnings.push(message),
    },
  });
  await again.start();
  await until(
    'what is left is counted',
    async () => (await readAll(broker, 'totals')).length === 2,
  );
  await again.stop();
  expect(totalsOf(await readAll(broker, 'totals'))).toEqual(['a 1', 'kept 1']);
  expect(warnings.join()).toContain('Offset 1 of lines-0 is not in the log (2 to 3)');
});

test('a stop that cannot finish gives up at its deadline', async () => {
  let stuck: () => void = () => {};
  const writer = broker.openTransactionalWriter.bind(broker);
  broker.openTransactionalWriter = async (id) => ({
    ...(await writer(id)),
    commit: () =>
      new Promise((resolve) => {
        stuck = () => resolve([]);
      }),
  });
  const runtime = runtimeWith({ stopTimeoutMs: 200, storeEngine: 'memory' });
  await runtime.start();
  send(0, ['a']);
  await systemClock.sleep(50);
  await expect(runtime.stop()).rejects.toThrow(FatalError);
  stuck();
  await systemClock.sleep(50);
});

test('a changelog made for another number of partitions is refused at the start', async () => {
  await broker.createTopics([
    { name: 'app-counts-changelog', partitions: 3, replicationFactor: 1, configs: {} },
  ]);
  await expect(runtimeWith().start()).rejects.toThrow('needs `meanstream reset`');
});

test('lag, commits, tasks and rebalances are measured', async () => {
  const own = new Metrics();
  const runtime = runtimeWith({ metrics: own });
  await runtime.start();
  send(1, ['a', 'b']);
  // The outputs are seen a moment before the task has heard that they are.
  const lag = 'meanstream_consumer_lag_records{topic="lines",partition="1"} 0';
  await until('no lag is told', async () => (await own.registry.metrics()).includes(lag));
  expect(await readAll(broker, 'totals')).toHaveLength(2);
  const text = await own.registry.metrics();
  expect(text).toContain('meanstream_partitions_assigned 2');
  expect(text).toContain('meanstream_commits_total{outcome="committed"} 1');
  expect(text).toContain('meanstream_points_consumed_total{topic="lines"} 2');
  expect(text).toMatch(/meanstream_rebalances_total [1-9]/);
  await runtime.stop();
  expect(await own.registry.metrics()).toContain('meanstream_partitions_assigned 0');
});
