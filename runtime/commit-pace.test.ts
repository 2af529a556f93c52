// When tasks commit, and what they say to their writer before.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Processor } from '../processors/index.ts';
import type { RecordBatch } from '../schemas/index.ts';
import { systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import type { ProcessorOptions } from '../topology/index.ts';
import { StreamRuntime } from './stream-runtime.ts';
import { copiedLines, copy, createLinesAndCopies, sendLine } from './testing/copied-lines.ts';
import { MemoryBroker } from './testing/memory-broker.ts';

let broker: MemoryBroker;
let stateDir: string;
/** What the writer of the task was told, in order. */
let told: string[];
let runtime: StreamRuntime | undefined;

beforeEach(async () => {
  broker = new MemoryBroker(systemClock);
  stateDir = await mkdtemp(join(tmpdir(), 'meanstream-pace-'));
  told = [];
  await createLinesAndCopies(broker);
  const open = broker.openTransactionalWriter.bind(broker);
  broker.openTransactionalWriter = async (id) => {
    const writer = await open(id);
    return {
      ...writer,
      begin: () => void told.push('begin'),
      commit: (transaction) => {
        told.push('commit');
        return writer.commit(transaction);
      },
    };
  };
});

afterEach(async () => {
  await runtime?.stop();
  await rm(stateDir, { recursive: true, force: true });
});

async function start(
  processor: Processor<RecordBatch>,
  commitIntervalMs: number,
  options: Partial<ProcessorOptions> = {},
  limits: { batchRowsMax?: number } = {},
): Promise<void> {
  runtime = new StreamRuntime({
    ...{
      topology: copiedLines(processor, options),
      broker,
      stateDir,
      commitIntervalMs,
      clock: systemClock,
      ...limits,
    },
    ...{ applicationId: 'app', instanceId: 'one', storeEngine: 'memory' },
  });
  await runtime.start();
}

function send(): void {
  sendLine(broker);
}

test('commits of a task that nobody waits for begin as far apart as its topology says', async () => {
  const begunMs: number[] = [];
  broker.faults.commit = () => void begunMs.push(systemClock.monotonicMs());
  await start(copy, 1, { commitMsMin: 200 });
  await until('four commits have begun', () => {
    send();
    return begunMs.length === 4;
  });
  // The first may follow the start at once.
  const gapsMs = begunMs.slice(1).map((ms, i) => ms - begunMs[i]!);
  expect(Math.min(...gapsMs)).toBeGreaterThan(100);
});

/** A batch of ten rows takes 1 ms at least. @returns how many had been taken in at the first commit, and how long that took */
async function firstCommitOf(lines: number, commitIntervalMs: number) {
  let rows = 0;
  let startedMs: number | undefined;
  const slow: Processor<RecordBatch> = {
    process: (batch, context) => {
      copy.process(batch, context);
      const ms = systemClock.monotonicMs();
      startedMs ??= ms;
      rows += batch.n;
      while (systemClock.monotonicMs() < ms + 1);
    },
  };
  let first: { rows: number; ms: number } | undefined;
  broker.faults.commit = () => {
    first ??= { rows, ms: systemClock.monotonicMs() - startedMs! };
  };
  for (let line = 0; line < lines; line++) send();
  await start(slow, commitIntervalMs, {}, { batchRowsMax: 10 });
  await until('a commit', () => first !== undefined);
  return first!;
}

test('a task that is behind commits less often, and does commit', async () => {
  const first = await firstCommitOf(4_000, 50);
  expect(first.ms).toBeGreaterThan(100);
  // After four intervals there is still more than half to do.
  expect(first.rows).toBeLessThan(2_500);
});

test('a task that is behind keeps no transaction open for longer than the log lets it', async () => {
  // Else it would go on until there is no more to do than it has done.
  expect((await firstCommitOf(16_000, 600)).rows).toBeLessThan(7_500);
});

test('a transaction is begun with the first rows of which a commit follows soon', async () => {
  await start(copy, 300);
  send();
  await until('both are told', () => told.length === 2);
  expect(told).toEqual(['begin', 'commit']);
});

test('no transaction is begun long before its commit', async () => {
  let calls = 0;
  const counting: Processor<RecordBatch> = {
    process: (batch, context) => {
      copy.process(batch, context);
      calls += 1;
    },
  };
  await start(counting, 60_000);
  send();
  await until('it is called', () => calls === 1);
  await runtime!.stop();
  expect(told).toEqual(['commit']);
});

test('a batch that is put off begins no transaction: no commit may follow', async () => {
  let puttingOff = true;
  let calls = 0;
  const waiting: Processor<RecordBatch> = {
    process: (batch, context) => {
      calls += 1;
      if (puttingOff) context.retryLater('not yet');
      else copy.process(batch, context);
    },
  };
  await start(waiting, 10);
  send();
  await until('it has been called three times', () => calls >= 3);
  expect(told).toEqual([]);
  puttingOff = false;
  await until('the commit is told', () => told.includes('commit'));
  expect(told).toEqual(['begin', 'commit']);
});
