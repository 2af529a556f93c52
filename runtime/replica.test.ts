// Two runtimes over the embedded log, each with a disk of its own: the copy of a store is the store, and when its owner
// goes, the one that has the copy takes over without reading the changelog again.

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EmbeddedBroker } from '../broker/embedded/index.ts';
import { RecordBatchBuilder } from '../schemas/index.ts';
import { openEngine } from '../state-stores/index.ts';
import { Metrics, silentLogger, systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import type { StreamRuntimeOptions } from './options.ts';
import { StreamRuntime } from './stream-runtime.ts';
import { expectedCounts, wordCount } from './testing/word-count.ts';

const partitions = 4;
let folder: string;
let broker: EmbeddedBroker;
let running: Instance[];

interface Instance {
  readonly runtime: StreamRuntime;
  readonly metrics: Metrics;
  readonly name: string;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-replica-'));
  running = [];
  broker = new EmbeddedBroker({
    ...{ dataDir: join(folder, 'log'), clock: systemClock, logger: silentLogger },
  });
  await broker.connect();
  const spec = { partitions, replicationFactor: 1, configs: {} };
  await broker.createTopics([
    { name: 'lines', ...spec },
    { name: 'totals', ...spec },
  ]);
});

afterEach(async () => {
  for (const { runtime } of running) await runtime.stop();
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(name: string, options: Partial<StreamRuntimeOptions> = {}): Promise<Instance> {
  const metrics = new Metrics();
  const runtime = new StreamRuntime({
    ...{ topology: wordCount(), broker, clock: systemClock, metrics, applicationId: 'app' },
    ...{ instanceId: name, stateDir: join(folder, name), storeEngine: 'rocksdb' },
    ...{ commitIntervalMs: 10, sessionTimeoutMs: 1_000, standbyReplicas: 1 },
    ...options,
  });
  const instance = { runtime, metrics, name };
  running.push(instance);
  await runtime.start();
  return instance;
}

const sent: string[][] = [];

async function send(words: number): Promise<void> {
  const writer = await broker.openWriter();
  for (let partition = 0; partition < partitions; partition++) {
    const records = new RecordBatchBuilder();
    const lines = Array.from({ length: words }, (_, i) => `p${partition}-${i}`);
    for (const line of lines) records.append(0, null, new TextEncoder().encode(line));
    sent[partition] = [...(sent[partition] ?? []), ...lines];
    await writer.append([{ topic: 'lines', partition, records }]);
  }
  await writer.close();
}

const tasksOf = ({ runtime }: Instance) =>
  runtime
    .status()
    .tasks.filter(({ state }) => state === 'RUNNING')
    .map(({ taskId }) => taskId)
    .sort();
const hasNoLag = ({ runtime }: Instance) =>
  runtime.status().tasks.every(({ positions }) => positions.every(({ lag }) => lag === 0));
const caughtUp = ({ runtime }: Instance, copies: number) => {
  const { replicas } = runtime.status();
  return replicas.length === copies && replicas.every(({ lag }) => lag === 0);
};

async function restoredBy(metrics: Metrics, role: 'owner' | 'replica'): Promise<number> {
  const { values } = await metrics.restoredRecords.get();
  return values.find(({ labels }) => labels.role === role)?.value ?? 0;
}

async function committedAll(): Promise<boolean> {
  const ends = await broker.listOffsets('lines');
  const at = ends.map(({ partition }) => ({ topic: 'lines', partition }));
  const committed = await broker.committedOffsets('app', at);
  return ends.every(({ partition, end }) =>
    committed.some((it) => it.partition === partition && it.offset === end),
  );
}

/** Of a store on the disk of an instance that has stopped. */
async function digestOf(name: string, taskId: string) {
  const dir = join(folder, name, 'app', taskId, 'counts');
  const engine = await openEngine('rocksdb', { name: 'counts', dir, logger: silentLogger });
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  for await (const { key, value } of engine.range()) {
    hash.update(key).update(value);
    counts[Buffer.from(key).toString()] = Number(Buffer.from(value).toString());
  }
  const offset = (await engine.checkpoint())!.changelogOffset;
  await engine.close();
  return { digest: hash.digest('hex'), counts, offset };
}

test('a copy is the store, bit for bit, and both are what a plain count gives', async () => {
  sent.length = 0;
  const [one, two] = [await start('one'), await start('two')];
  await send(3_000);
  await send(500);
  await until('all is counted', committedAll);
  await until('the copies too', () => caughtUp(one, 2) && caughtUp(two, 2));
  const { taskId, kind } = one.runtime.status().replicas[0]!;
  expect(kind).toBe('standby');
  expect(tasksOf(two)).toContain(taskId);
  for (const { runtime } of running.splice(0)) await runtime.stop();
  for (let partition = 0; partition < partitions; partition++) {
    const stores = await Promise.all(
      ['one', 'two'].map((it) => digestOf(it, `count_${partition}`)),
    );
    expect(stores[0]).toEqual(stores[1]);
    expect(stores[0]!.counts).toEqual(expectedCounts(sent[partition]!));
  }
});

test('when an owner goes, its standby has next to nothing to restore; without one all of it', async () => {
  sent.length = 0;
  const rows = 5_000;
  const [one, two] = [await start('one'), await start('two')];
  await send(rows);
  await until('all is counted', committedAll);
  await until('the copies too', () => caughtUp(one, 2) && caughtUp(two, 2));
  expect(await restoredBy(two.metrics, 'replica')).toBeGreaterThanOrEqual(2 * rows);
  const before = await restoredBy(two.metrics, 'owner');
  await one.runtime.stop();
  await until('the other has all', () => tasksOf(two).length === partitions);
  // Nothing, but for what was committed while it was stopped.
  expect((await restoredBy(two.metrics, 'owner')) - before).toBeLessThan(rows / 10);
  await send(1);
  await until('it goes on', committedAll);
  await two.runtime.stop();
  const three = await start('three');
  await until('the third has all', () => tasksOf(three).length === partitions);
  expect(await restoredBy(three.metrics, 'owner')).toBeGreaterThanOrEqual(partitions * rows);
}, 90_000);

test('a task moves to a new member only when its copy there has caught up', async () => {
  sent.length = 0;
  const options = { standbyReplicas: 0, recoveryLagMax: 100 };
  const one = await start('one', options);
  await send(4_000);
  await until('all is counted', committedAll);
  const two = await start('two', options);
  await until('they share', () => tasksOf(two).length === 2 && tasksOf(one).length === 2);
  await until('nothing is left to do', () => hasNoLag(one) && hasNoLag(two));
  expect(await restoredBy(two.metrics, 'owner')).toBeLessThanOrEqual(2 * 100);
  expect(await restoredBy(two.metrics, 'replica')).toBeGreaterThanOrEqual(2 * 4_000);
  expect(two.runtime.status().replicas).toEqual([]);
}, 90_000);

test('an instance that comes back gets what its disk holds, and restores only what it missed', async () => {
  sent.length = 0;
  const options = { standbyReplicas: 0, recoveryLagMax: 1_000 };
  const [one, two] = [await start('one', options), await start('two', options)];
  await until('they share', () => tasksOf(one).length === 2 && tasksOf(two).length === 2);
  await send(3_000);
  await until('all is counted', committedAll);
  const before = tasksOf(two);
  await two.runtime.stop();
  await until('the other has all', () => tasksOf(one).length === partitions);
  await send(10);
  await until('all is counted', committedAll);
  const again = await start('two', options);
  await until('its own again', () => tasksOf(again).length === 2);
  expect(tasksOf(again)).toEqual(before);
  const back =
    (await restoredBy(again.metrics, 'owner')) + (await restoredBy(again.metrics, 'replica'));
  expect(back).toBeLessThan(1_000);
}, 90_000);
