// A task that hangs throws nothing: only the watchdog can tell. The real runtime, over a log whose reader or writer stops
// answering.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RecordBatchBuilder } from '../schemas/index.ts';
import { Metrics, systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import { StreamRuntime } from './stream-runtime.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { readAll } from './testing/read-all.ts';
import { totalsOf, wordCount } from './testing/word-count.ts';

let broker: MemoryBroker;
let stateDir: string;
let metrics: Metrics;
let runtime: StreamRuntime;

beforeEach(async () => {
  broker = new MemoryBroker(systemClock);
  metrics = new Metrics();
  stateDir = await mkdtemp(join(tmpdir(), 'meanstream-watchdog-'));
  const spec = { partitions: 1, replicationFactor: 1, configs: {} };
  await broker.createTopics([
    { name: 'lines', ...spec },
    { name: 'totals', ...spec },
  ]);
  runtime = new StreamRuntime({
    ...{ topology: wordCount(), broker, clock: systemClock, stateDir, metrics },
    ...{ applicationId: 'app', instanceId: 'one', storeEngine: 'level' },
    ...{ commitIntervalMs: 5, watchdogTimeoutMs: 700, stopTimeoutMs: 10_000 },
  });
});

afterEach(() => rm(stateDir, { recursive: true, force: true }));

const never = new Promise<never>(() => {});

/** Reads of the input hang, of the first `readers` readers that are opened for it. */
function hangReads(readers: number): void {
  const open = broker.openReader.bind(broker);
  let opened = 0;
  broker.openReader = (at, from) => {
    const reader = open(at, from);
    if (at.topic === 'lines' && ++opened <= readers) reader.read = () => never;
    return reader;
  };
}

function send(...lines: readonly string[]): void {
  const records = new RecordBatchBuilder();
  for (const line of lines) records.append(0, null, new TextEncoder().encode(line));
  broker.append([{ topic: 'lines', partition: 0, records }]);
}

const totals = async () => totalsOf(await readAll(broker, 'totals'));
const restarts = async () => (await metrics.watchdogRestarts.get()).values[0]?.value ?? 0;

test('a reader that hangs is noticed, reported, and the task started anew', async () => {
  hangReads(1);
  await runtime.start();
  send('a', 'b a');
  await until('it is reported', () => typeof runtime.status().tasks[0]?.stuck === 'string');
  const { ready, live, reasons } = runtime.status();
  expect({ ready, live }).toEqual({ ready: false, live: true });
  expect(reasons.join()).toMatch(/Task count_0 has 2 records .* no progress for 700 ms/);
  await until('everything is counted', async () => (await totals()).length === 3);
  await until('it is ready again', () => runtime.status().ready);
  expect(await totals()).toEqual(['a 1', 'b 1', 'a 2']);
  expect(await restarts()).toBeGreaterThanOrEqual(1);
  await runtime.stop();
}, 60_000);

test('a commit that hangs is fenced by the restart, and counted once', async () => {
  const open = broker.openTransactionalWriter.bind(broker);
  let late: () => void = () => {};
  let opened = 0;
  broker.openTransactionalWriter = async (id) => {
    const writer = await open(id);
    if (++opened > 1) return writer;
    const commit: typeof writer.commit = async (transaction) => {
      await new Promise<void>((resolve) => {
        late = resolve;
      });
      return writer.commit(transaction);
    };
    return { ...writer, commit };
  };
  await runtime.start();
  send('a');
  await until('it is counted', async () => (await totals()).length === 1);
  late();
  send('a');
  await until('and goes on', async () => (await totals()).length === 2);
  expect(await totals()).toEqual(['a 1', 'a 2']);
  await runtime.stop();
}, 60_000);

test('when a restart was in vain the process is no longer live', async () => {
  hangReads(Number.POSITIVE_INFINITY);
  await runtime.start();
  send('a');
  await until('it gives up', () => !runtime.status().live);
  expect(await restarts()).toBeGreaterThanOrEqual(2);
  expect(runtime.status().reasons.join()).toContain('in vain');
  await runtime.stop().catch(() => {});
}, 60_000);

test('who has nothing to do, and who cannot ask the log, is left alone', async () => {
  hangReads(Number.POSITIVE_INFINITY);
  await runtime.start();
  await systemClock.sleep(1_800);
  expect(await restarts()).toBe(0);
  broker.listOffsets = () => never;
  send('a');
  await systemClock.sleep(2_500);
  expect(await restarts()).toBe(0);
  expect(runtime.status().live).toBe(true);
  await runtime.stop().catch(() => {});
}, 60_000);
