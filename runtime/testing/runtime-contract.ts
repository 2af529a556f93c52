// What the runtime must do over any broker: run with the log in memory and with the embedded one.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Broker, PartitionReader } from '../../broker/index.ts';
import type { Processor } from '../../processors/index.ts';
import { type RecordBatch, RecordBatchBuilder, recordValue } from '../../schemas/index.ts';
import {
  InvalidTopologyError,
  type Logger,
  Random,
  silentLogger,
  systemClock,
} from '../../support/index.ts';
import { until } from '../../test/support/until.ts';
import { Topology } from '../../topology/index.ts';
import type { StreamRuntimeOptions } from '../options.ts';
import { StreamRuntime } from '../stream-runtime.ts';
import { readAll } from './read-all.ts';
import { expectedCounts, totalsOf, wordCount } from './word-count.ts';

export interface RuntimeContract {
  readonly name: string;
  /** An empty, connected broker; `close` removes what it left. */
  readonly create: () => Promise<{ broker: Broker; close: () => Promise<void> }>;
}

const encode = new TextEncoder();
const text = new TextDecoder();

export function runtimeContract({ name, create }: RuntimeContract): void {
  describe(`the runtime over the ${name} broker`, () => {
    let broker: Broker;
    let closeBroker: () => Promise<void>;
    let folder: string;
    let running: StreamRuntime[] = [];

    beforeEach(async () => {
      ({ broker, close: closeBroker } = await create());
      folder = await mkdtemp(join(tmpdir(), 'meanstream-runtime-'));
      running = [];
    });

    afterEach(async () => {
      for (const runtime of running) await runtime.stop();
      await closeBroker();
      await rm(folder, { recursive: true, force: true });
    });

    async function topics(partitions: Record<string, number>, configs = {}): Promise<void> {
      const specs = Object.entries(partitions).map(([topic, count]) => ({
        ...{ name: topic, partitions: count, replicationFactor: 1, configs },
      }));
      await broker.createTopics(specs);
    }

    async function start(
      topology: Topology,
      options: Partial<StreamRuntimeOptions> = {},
    ): Promise<StreamRuntime> {
      const instanceId = options.instanceId ?? 'one';
      const runtime = new StreamRuntime({
        ...{ topology, broker, instanceId, clock: systemClock },
        applicationId: 'app',
        stateDir: join(folder, instanceId),
        storeEngine: 'level',
        commitIntervalMs: 20,
        sessionTimeoutMs: 1000,
        ...options,
      });
      running.push(runtime);
      await runtime.start();
      return runtime;
    }

    async function send(topic: string, partition: number, values: readonly string[]) {
      const writer = await broker.openWriter();
      const records = new RecordBatchBuilder();
      for (const value of values) records.append(systemClock.nowMs(), null, encode.encode(value));
      await writer.append([{ topic, partition, records }]);
      await writer.close();
    }

    const totals = async () => totalsOf(await readAll(broker, 'totals'));
    const highestCounts = async () => {
      const counts: Record<string, number> = {};
      for (const total of await totals()) {
        const [word, count] = total.split(' ') as [string, string];
        counts[word] = Math.max(counts[word] ?? 0, Number(count));
      }
      return counts;
    };
    const states = (runtime: StreamRuntime) =>
      Object.fromEntries(runtime.status().tasks.map((task) => [task.taskId, task.state]));
    const ready = (runtime: StreamRuntime) =>
      until('the runtime is ready', () => runtime.status().ready);

    test('counts what comes, tells how far it is, and stops with all committed', async () => {
      await topics({ lines: 2, totals: 2 });
      const runtime = await start(wordCount());
      await send('lines', 0, ['a b', 'b']);
      await send('lines', 1, ['a']);
      await until('four totals', async () => (await totals()).length === 4);
      expect(await totals()).toEqual(['a 1', 'b 1', 'b 2', 'a 1']);
      await until('no lag', () => runtime.status().tasks.every((it) => it.lastCommitAtMs));
      const { state, ready: isReady, reasons, tasks } = runtime.status();
      expect({ state, isReady, reasons }).toEqual({ state: 'RUNNING', isReady: true, reasons: [] });
      expect(tasks.find((task) => task.taskId === 'count_0')).toMatchObject({
        state: 'RUNNING',
        positions: [{ topic: 'lines', partition: 0, position: 2, end: 2, lag: 0 }],
        restoreRemaining: 0,
        waiting: null,
        reason: null,
      });
      await send('lines', 0, ['c']);
      await runtime.stop();
      expect(runtime.status()).toMatchObject({ state: 'STOPPED', ready: false });
      expect(await broker.groupMembers('app')).toBe(0);
    });

    test('a record that comes to an idle task is committed within the interval and a little', async () => {
      await topics({ lines: 1, totals: 1 });
      await ready(await start(wordCount(), { commitIntervalMs: 50 }));
      const reader = broker.openReader({ topic: 'totals', partition: 0 }, 0);
      const tookMs: number[] = [];
      for (let round = 0; round < 5; round++) {
        const startedMs = systemClock.monotonicMs();
        await send('lines', 0, ['a']);
        await readOne(reader);
        tookMs.push(systemClock.monotonicMs() - startedMs);
      }
      await reader.close();
      // The best of five: the machine of the tests has other work too.
      expect(Math.min(...tookMs)).toBeLessThan(50 + 20);
    });

    test('exactly once over restarts, whether the local state is kept or gone', async () => {
      await topics({ lines: 2, totals: 2 });
      const random = new Random(7);
      const sent: string[][] = [[], []];
      for (let run = 0; run < 4; run++) {
        const runtime = await start(wordCount());
        for (const partition of [0, 1]) {
          const lines = Array.from({ length: 50 }, () => `w${partition}-${random.below(9)}`);
          sent[partition]!.push(...lines);
          await send('lines', partition, lines);
        }
        await systemClock.sleep(random.below(40));
        await runtime.stop();
        if (run === 1) await rm(join(folder, 'one'), { recursive: true, force: true });
      }
      const runtime = await start(wordCount());
      await until('all totals', async () => (await totals()).length === 400);
      await runtime.stop();
      expect(await highestCounts()).toEqual(expectedCounts(sent.flat()));
      expect(await totals()).toHaveLength(400);
    });

    test('tasks that stay on a rebalance are not closed, and those that move count on', async () => {
      await topics({ lines: 4, totals: 4 });
      const log: string[] = [];
      const noted = (instance: string) =>
        wordCount({ opened: ({ taskId }) => void log.push(`${instance} opens ${taskId}`) });
      const one = await start(noted('one'));
      await until('one has all', () => Object.keys(states(one)).length === 4);
      await ready(one);
      for (let partition = 0; partition < 4; partition++)
        await send('lines', partition, [`p${partition}`]);
      await until('the first totals', async () => (await totals()).length === 4);
      const two = await start(noted('two'), { instanceId: 'two' });
      await until('they share', () => {
        return Object.keys(states(one)).length === 2 && Object.keys(states(two)).length === 2;
      });
      await ready(two);
      for (let partition = 0; partition < 4; partition++)
        await send('lines', partition, [`p${partition}`]);
      await until('the second totals', async () => (await totals()).length === 8);
      expect((await totals()).sort()).toEqual(
        [0, 1, 2, 3].flatMap((partition) => [`p${partition} 1`, `p${partition} 2`]),
      );
      expect(log.filter((line) => line.startsWith('one'))).toHaveLength(4);
      expect(log.filter((line) => line.startsWith('two'))).toHaveLength(2);
    });

    test('a task fenced by somebody else commits nothing more, and joins again when nobody calls it', async () => {
      await topics({ lines: 1, totals: 1 });
      const runtime = await start(wordCount(), { sessionTimeoutMs: 1000 });
      await ready(runtime);
      const thief = await broker.openTransactionalWriter('app-count_0');
      await send('lines', 0, ['a']);
      await until('it notices', () => runtime.status().tasks.length === 0);
      expect(runtime.status().reasons.join()).toContain('count_0 has another owner');
      expect(await totals()).toEqual([]);
      await thief.close();
      await until('it is back', async () => (await totals()).length === 1);
      await ready(runtime);
    });

    test('a processor that fails is tried once more; then its task stops and the others go on', async () => {
      await topics({ lines: 2, totals: 2 });
      const fatal: Error[] = [];
      let booms = 0;
      const topology = wordCount({
        line: (line) => {
          if (line === 'boom') throw new Error(`boom number ${++booms}`);
        },
      });
      const runtime = await start(topology, { onFatal: (error) => void fatal.push(error) });
      await send('lines', 0, ['fine', 'boom']);
      await until('it gives up', () => fatal.length > 0);
      expect(booms).toBe(2);
      expect(fatal).toHaveLength(1);
      expect(fatal[0]!.message).toMatch(
        /Task count_0 has stopped.*lines-0, offsets \d to 1.*boom number 2/,
      );
      expect(runtime.status()).toMatchObject({ state: 'FAILED', ready: false });
      expect(states(runtime)).toEqual({ count_0: 'FAILED', count_1: 'RUNNING' });
      await send('lines', 1, ['other']);
      await until('the other one works', async () => (await totals()).includes('other 1'));
    });

    test('a processor that fails once is forgiven', async () => {
      await topics({ lines: 1, totals: 1 });
      let failures = 0;
      const topology = wordCount({
        line: (line) => {
          if (line.startsWith('shy') && failures++ % 2 === 0) throw new Error('shy');
        },
      });
      const runtime = await start(topology);
      for (let round = 1; round <= 3; round++) {
        await send('lines', 0, [`shy${round}`]);
        await until('it counts', async () => (await totals()).length === round);
      }
      expect(await totals()).toEqual(['shy1 1', 'shy2 1', 'shy3 1']);
      await ready(runtime);
    });

    test('when a batch gives a record too large for the log, smaller batches are tried', async () => {
      await topics({ lines: 1, totals: 1 }, { 'max.message.bytes': '2000' });
      const gather = (): Processor<RecordBatch> => {
        let gathered = '';
        return {
          process: (batch) => {
            for (let row = 0; row < batch.n; row++)
              gathered += text.decode(recordValue(batch, row)!);
          },
          flush: (context) => {
            if (gathered !== '') context.output('out').append(0, null, encode.encode(gathered));
            gathered = '';
          },
        };
      };
      const topology = new Topology()
        .source('lines', { topic: 'lines' })
        .processor('gather', { from: ['lines'], create: gather })
        .sink('out', { from: ['gather'], topic: 'totals' });
      const lines = Array.from({ length: 500 }, (_, i) => String(i).padStart(40, '.'));
      for (let at = 0; at < 500; at += 20) await send('lines', 0, lines.slice(at, at + 20));
      await start(topology, { commitIntervalMs: 200, batchRowsMax: 512 });
      const written = async () =>
        (await readAll(broker, 'totals')).map(({ value }) => text.decode(value!)).join('');
      await until('all of it', async () => (await written()).length === 500 * 40);
      expect(await written()).toBe(lines.join(''));
    });

    test('one record too large by itself stops the task, and is named with what to do', async () => {
      await topics({ lines: 1, totals: 1 }, { 'max.message.bytes': '2000' });
      const fatal: Error[] = [];
      const inflate: Processor<RecordBatch> = {
        process: (_, context) => context.output('out').append(0, null, new Uint8Array(3000)),
      };
      const topology = new Topology()
        .source('lines', { topic: 'lines' })
        .processor('inflate', { from: ['lines'], create: () => inflate })
        .sink('out', { from: ['inflate'], topic: 'totals' });
      await start(topology, { batchRowsMax: 4, onFatal: (error) => void fatal.push(error) });
      await send('lines', 0, ['x', 'y']);
      await until('it gives up', () => fatal.length === 1);
      expect(await readAll(broker, 'totals')).toEqual([]);
      expect(fatal[0]!.message).toContain('the record at lines-0, offset 0, can never fit');
      expect(fatal[0]!.message).toMatch(
        /A record of 3\d\d\d bytes for totals-0 .* 2000 .* raise its max.message.bytes/,
      );
    });

    test('a record too large stops the task however much another input gives meanwhile', async () => {
      await topics({ busy: 1, rare: 1, totals: 1 }, { 'max.message.bytes': '2000' });
      const fatal: Error[] = [];
      const inflate: Processor<RecordBatch> = {
        process: ({ topic, n }, context) => {
          const bytes = topic === 'rare' ? 3_000 : n;
          context.output('out').append(0, null, new Uint8Array(bytes));
        },
      };
      const topology = new Topology()
        .source('busy', { topic: 'busy' })
        .source('rare', { topic: 'rare' })
        .processor('inflate', { from: ['busy', 'rare'], create: () => inflate })
        .sink('out', { from: ['inflate'], topic: 'totals' });
      await send('rare', 0, ['x', 'y']);
      await start(topology, { batchRowsMax: 4, onFatal: (error) => void fatal.push(error) });
      await until('it gives up', async () => {
        await send('busy', 0, ['a', 'b', 'c', 'd', 'e']);
        return fatal.length === 1;
      });
      expect(fatal[0]!.message).toContain('the record at rare-0, offset 0,');
    });

    test('what a task makes too large by the clock stops it, too', async () => {
      await topics({ lines: 1, totals: 1 }, { 'max.message.bytes': '2000' });
      const fatal: Error[] = [];
      const inflate: Processor<RecordBatch> = {
        open: (context) => {
          context.schedule(10, 'wall-clock', () =>
            context.output('out').append(0, null, new Uint8Array(3_000)),
          );
        },
        process: () => {},
      };
      const topology = new Topology()
        .source('lines', { topic: 'lines' })
        .processor('inflate', { from: ['lines'], create: () => inflate })
        .sink('out', { from: ['inflate'], topic: 'totals' });
      await start(topology, { onFatal: (error) => void fatal.push(error) });
      await until('it gives up', () => fatal.length === 1);
      expect(fatal[0]!.message).toContain('without a record of its input');
    });

    test('a store of another schema version is rebuilt from the changelog, and says why', async () => {
      await topics({ lines: 1, totals: 1 });
      const warnings: string[] = [];
      const logger: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
      const one = await start(wordCount({}, 1));
      await send('lines', 0, ['a b', 'b']);
      await until('three totals', async () => (await totals()).length === 3);
      await one.stop();
      await start(wordCount({}, 2), { logger });
      await send('lines', 0, ['b']);
      await until('one more', async () => (await totals()).length === 4);
      expect((await totals()).at(-1)).toBe('b 3');
      expect(warnings.join('\n')).toContain('schema 1 where 2');
    });

    test('a quiet source does not delay the other', async () => {
      await topics({ busy: 1, quiet: 1 });
      const seen: string[] = [];
      const listen: Processor<RecordBatch> = {
        process: (batch) => {
          for (let row = 0; row < batch.n; row++) {
            seen.push(`${batch.topic} ${text.decode(recordValue(batch, row)!)}`);
          }
        },
      };
      const topology = new Topology()
        .source('busy', { topic: 'busy' })
        .source('quiet', { topic: 'quiet' })
        .processor('listen', { from: ['busy', 'quiet'], create: () => listen });
      await ready(await start(topology));
      const tookMs: number[] = [];
      for (let round = 1; round <= 5; round++) {
        await send('busy', 0, [String(round)]);
        const startedMs = systemClock.monotonicMs();
        await until('it came', () => seen.length === round);
        tookMs.push(systemClock.monotonicMs() - startedMs);
      }
      expect(Math.min(...tookMs)).toBeLessThan(20);
      await send('quiet', 0, ['now']);
      await until('it came', () => seen.at(-1) === 'quiet now');
    });

    test('a global store is full before the first task opens, and follows its topic', async () => {
      await topics({ lines: 1, totals: 1, rules: 2 });
      await send('rules', 0, ['first']);
      await send('rules', 1, ['second']);
      const rules = {
        name: 'rules',
        all: [] as string[],
        apply(batch: RecordBatch) {
          for (let row = 0; row < batch.n; row++)
            this.all.push(text.decode(recordValue(batch, row)!));
        },
      };
      const atOpen: string[] = [];
      const topology = wordCount({
        opened: (context) => void atOpen.push(...context.store<typeof rules>('rules').all),
      }).globalStore('rules', { topic: 'rules', create: () => rules });
      const runtime = await start(topology);
      await ready(runtime);
      expect(atOpen.sort()).toEqual(['first', 'second']);
      await send('rules', 1, ['third']);
      await until('the third', () => rules.all.includes('third'));
      expect(runtime.globalStore('rules')).toBe(rules);
    });

    test('a record put off comes again with what followed, and the status says what is waited for', async () => {
      await topics({ lines: 1, totals: 1 });
      let open = false;
      const sizes: number[] = [];
      const patient: Processor<RecordBatch> = {
        process: (batch, context) => {
          sizes.push(batch.n);
          if (!open) context.retryLater('waiting for the door');
        },
      };
      const topology = new Topology()
        .source('lines', { topic: 'lines' })
        .processor('patient', { from: ['lines'], create: () => patient });
      const runtime = await start(topology);
      await send('lines', 0, ['a']);
      const waiting = () => runtime.status().tasks[0]?.waiting;
      await until('it waits', () => waiting() === 'waiting for the door');
      await send('lines', 0, ['b', 'c']);
      await until('with what followed', () => sizes.at(-1) === 3);
      expect(sizes.length).toBeLessThan(100);
      open = true;
      await until('it goes on', () => waiting() === null);
      expect(runtime.status().tasks[0]!.positions[0]).toMatchObject({ position: 3, lag: 0 });
    });

    test('the event loop stays free while a backlog is worked off', async () => {
      await topics({ lines: 1, totals: 1 });
      const lines = Array.from({ length: 50_000 }, (_, i) => `w${i % 100}`);
      for (let at = 0; at < lines.length; at += 10_000)
        await send('lines', 0, lines.slice(at, at + 10_000));
      const runtime = await start(wordCount(), { batchRowsMax: 1024 });
      let longestMs = 0;
      for (let lag = 1; lag > 0; lag = runtime.status().tasks[0]?.positions[0]?.lag ?? 1) {
        const startedMs = systemClock.monotonicMs();
        await systemClock.sleep(1);
        longestMs = Math.max(longestMs, systemClock.monotonicMs() - startedMs);
      }
      expect(longestMs).toBeLessThan(500);
      await until('all totals', async () => (await totals()).length === 50_000);
    });

    test('missing topics and unequal partitions are named, all at once, with the remedy', async () => {
      await topics({ left: 2, right: 3 });
      const topology = new Topology()
        .source('left', { topic: 'left' })
        .source('right', { topic: 'right' })
        .processor('both', { from: ['left', 'right'], create: () => ({ process: () => {} }) })
        .sink('gone', { from: ['both'], topic: 'gone' });
      const failure = await start(topology).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(InvalidTopologyError);
      expect((failure as Error).message).toMatch(/no topic gone.*`meanstream topics apply`/);
      expect((failure as Error).message).toContain('left (2), right (3)');
    });
  });
}

async function readOne(reader: PartitionReader): Promise<void> {
  while ((await reader.read({ rowsMax: 1, waitMsMax: 1000 })).n === 0);
}
