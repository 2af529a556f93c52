// The protocol of a task through the test driver: same tasks, same commits, a log in memory.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Transaction } from '../broker/index.ts';
import type { Processor, ProcessorContext } from '../processors/index.ts';
import { type RecordBatch, RecordBatchBuilder, recordValue } from '../schemas/index.ts';
import {
  CommitOutcomeUnknownError,
  FatalError,
  ProcessorFailedError,
  Random,
  TaskMigratedError,
} from '../support/index.ts';
import { Topology } from '../topology/index.ts';
import { TopologyTestDriver } from './testing/test-driver.ts';
import {
  expectedCounts,
  expectedTotals,
  storedCounts,
  totalsOf,
  wordCount,
} from './testing/word-count.ts';

const text = new TextDecoder();
const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'meanstream-driver-'));
  folders.push(made);
  return made;
}

function someLines(random: Random, n: number): string[] {
  const word = () => `w${random.below(20)}`;
  return Array.from({ length: n }, () => `${word()} ${word()}`);
}

function pipeLines(driver: TopologyTestDriver, lines: readonly string[], partition = 0) {
  return driver.pipe(
    'lines',
    lines.map((value) => ({ value, partition })),
  );
}

describe('processing and committing', () => {
  test('what goes in comes out, counted and stored', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    await pipeLines(driver, ['a b', 'b']);
    await driver.run();
    expect(totalsOf(await driver.read('totals'))).toEqual(['a 1', 'b 1', 'b 2']);
    expect(await storedCounts(driver.store('counts'))).toEqual({ a: 1, b: 2 });
    expect(await driver.read('totals')).toEqual([]);
  });

  test('outputs, state and input offsets are one transaction', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    const transactions: Transaction[] = [];
    driver.broker.faults.commit = (transaction) => transactions.push(transaction);
    await pipeLines(driver, ['a b', 'b']);
    await driver.process();
    expect(await driver.read('totals')).toEqual([]);
    await driver.commit();
    expect(transactions).toHaveLength(1);
    const [{ appends, offsets, group }] = transactions as [Transaction];
    expect(appends.map((append) => append.topic)).toEqual(['test-counts-changelog', 'totals']);
    expect(offsets.map(({ topic, partition, offset }) => [topic, partition, offset])).toEqual([
      ['lines', 0, 2],
    ]);
    expect(group).toBe('test');
  });

  test('with nothing to commit there is no transaction', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    let transactions = 0;
    driver.broker.faults.commit = () => {
      transactions += 1;
    };
    expect(await driver.commit()).toBe(false);
    await pipeLines(driver, ['a']);
    await driver.run();
    await driver.run();
    expect(transactions).toBe(1);
  });

  test('each partition has its own task and store, and goes to the same partition of the sink', async () => {
    const driver = await TopologyTestDriver.create(wordCount(), {
      partitions: { lines: 3, totals: 2 },
    });
    for (const partition of [0, 1, 2]) await pipeLines(driver, ['a'], partition);
    await driver.run();
    const totals = await driver.read('totals');
    expect(totals.map((record) => record.partition)).toEqual([0, 0, 1]);
    expect(await storedCounts(driver.store('counts', 2))).toEqual({ a: 1 });
  });

  test('topics between sub-topologies and global stores loop back', async () => {
    const seen: string[] = [];
    const registry = {
      name: 'latest',
      value: '',
      apply: (batch: RecordBatch) => {
        registry.value = text.decode(recordValue(batch, batch.n - 1)!);
      },
    };
    const upper: Processor<RecordBatch> = {
      process: (batch, context) => {
        const value = text.decode(recordValue(batch, 0)!).toUpperCase();
        context.output('middle').append(0, null, new TextEncoder().encode(value));
      },
    };
    const last: Processor<RecordBatch> = {
      process: (batch, context) => {
        seen.push(text.decode(recordValue(batch, 0)!));
        expect(context.store('latest')).toBe(registry);
      },
    };
    const topology = new Topology()
      .source('in', { topic: 'in' })
      .processor('upper', { from: ['in'], create: () => upper })
      .sink('middle', { from: ['upper'], topic: 'middle' })
      .source('again', { topic: 'middle' })
      .processor('last', { from: ['again'], create: () => last })
      .globalStore('latest', { topic: 'middle', create: () => registry });
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('in', { value: 'hello' });
    await driver.run();
    expect(seen).toEqual(['HELLO']);
    expect(driver.globalStore<typeof registry>('latest').value).toBe('HELLO');
  });

  test('sources with a backlog take turns', async () => {
    const seen: string[] = [];
    const join: Processor<RecordBatch> = { process: (batch) => void seen.push(batch.topic) };
    const topology = new Topology()
      .source('left', { topic: 'left' })
      .source('right', { topic: 'right' })
      .source('third', { topic: 'third' })
      .processor('join', { from: ['left', 'right', 'third'], create: () => join });
    const driver = await TopologyTestDriver.create(topology, { batchRowsMax: 1 });
    for (const topic of ['left', 'right', 'third']) {
      await driver.pipe(topic, [{ value: '1' }, { value: '2' }]);
    }
    await driver.run();
    expect(seen).toEqual(['left', 'right', 'third', 'left', 'right', 'third']);
  });

  test('a processor forwards to its children, and to nobody else', async () => {
    const seen: unknown[] = [];
    const parent: Processor<RecordBatch> = {
      process: (batch, context) => {
        context.forward('child', `${batch.n} rows`);
        context.forward('stranger', '');
      },
    };
    const topology = new Topology()
      .source('in', { topic: 'in' })
      .processor('parent', { from: ['in'], create: () => parent })
      .processor('child', {
        from: ['parent'],
        create: () => ({ process: (batch: string) => void seen.push(batch) }),
      })
      .processor('stranger', { from: ['in'], create: () => ({ process: () => {} }) });
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('in', [{ value: 'x' }, { value: 'y' }]);
    await expect(driver.run()).rejects.toThrow('does not feed "stranger"');
    expect(seen).toEqual(['2 rows']);
  });
});

describe('exactly once', () => {
  const engines = ['memory', 'rocksdb', 'level'] as const;
  test.each(engines)('crashes at random points leave no trace (%s)', async (engine) => {
    const runs = engine === 'memory' ? 40 : 6;
    for (let seed = 1; seed <= runs; seed++) {
      const random = new Random(seed);
      const lines = someLines(random, 200);
      const stores = engine === 'memory' ? engine : { engine, stateDir: await folder() };
      const driver = await TopologyTestDriver.create(wordCount(), { stores, batchRowsMax: 7 });
      for (let sent = 0; sent < lines.length; ) {
        const next = Math.min(lines.length, sent + random.below(30));
        await pipeLines(driver, lines.slice(sent, next));
        sent = next;
        await driver.process(random.below(6));
        const fate = random.below(4);
        if (fate === 0) await driver.crash();
        if (fate === 1) await driver.commit();
        if (fate === 2) await losingAnswers(driver, random);
      }
      await driver.run();
      expect(totalsOf(await driver.read('totals')), `seed ${seed}`).toEqual(expectedTotals(lines));
      expect(await storedCounts(driver.store('counts')), `seed ${seed}`).toEqual(
        expectedCounts(lines),
      );
      await driver.close();
    }
  });

  /** A commit of which nobody knows the outcome: applied or not, by chance. */
  async function losingAnswers(driver: TopologyTestDriver, random: Random): Promise<void> {
    driver.broker.faults.commit = (_, apply) => {
      if (random.below(2) === 0) apply();
      throw new CommitOutcomeUnknownError('no answer');
    };
    await driver.commit().catch(() => {});
    delete driver.broker.faults.commit;
    await driver.crash();
  }

  test('a fenced task commits nothing', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    await pipeLines(driver, ['a']);
    await driver.process();
    driver.broker.fence('test-count_0');
    await expect(driver.commit()).rejects.toThrow(TaskMigratedError);
    expect(await driver.read('totals')).toEqual([]);
    await driver.crash();
    await driver.run();
    expect(totalsOf(await driver.read('totals'))).toEqual(['a 1']);
  });

  test('an offset that somebody moved is refused, with the remedy', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    await pipeLines(driver, ['a', 'b']);
    await driver.run();
    driver.broker.setCommittedOffset('test', {
      ...{ topic: 'lines', partition: 0, offset: 0, metadata: '' },
    });
    await expect(driver.crash()).rejects.toThrow(FatalError);
    await expect(driver.crash()).rejects.toThrow('meanstream reset');
  });
});

describe('stores', () => {
  test('a store whose folder is gone is restored from its changelog, also a compacted one', async () => {
    const stateDir = await folder();
    const driver = await TopologyTestDriver.create(wordCount(), {
      stores: { engine: 'rocksdb', stateDir },
    });
    await pipeLines(driver, ['a b', 'b']);
    await driver.run();
    await pipeLines(driver, ['c']);
    await driver.run();
    await driver.close();
    await rm(stateDir, { recursive: true, force: true });
    driver.broker.partition('test-counts-changelog', 0).compact();
    await driver.crash();
    expect(await storedCounts(driver.store('counts'))).toEqual({ a: 1, b: 2, c: 1 });
    await driver.close();
  });

  test('a changelog longer than one read is restored to its end', async () => {
    const driver = await TopologyTestDriver.create(wordCount());
    const words = Array.from({ length: 9000 }, (_, i) => `w${i}`);
    await pipeLines(driver, words);
    await driver.run();
    await driver.crash();
    expect(await storedCounts(driver.store('counts'))).toEqual(expectedCounts(words));
  });

  test('a store that is behind takes up only what it lacks; one with a checkpoint is not wiped', async () => {
    const stateDir = await folder();
    const stores = { engine: 'rocksdb', stateDir } as const;
    const driver = await TopologyTestDriver.create(wordCount(), { stores });
    await pipeLines(driver, ['a b', 'b']);
    await driver.run();
    // If the store did not already hold this, the emptied changelog could not give it back.
    const changelog = driver.broker.partition('test-counts-changelog', 0);
    changelog.trim(changelog.end);
    await driver.crash();
    expect(await storedCounts(driver.store('counts'))).toEqual({ a: 1, b: 2 });
    await driver.close();
  });

  test('a store behind the start of its changelog is rebuilt', async () => {
    const stateDir = await folder();
    const stores = { engine: 'level', stateDir } as const;
    const driver = await TopologyTestDriver.create(wordCount(), { stores });
    await pipeLines(driver, ['a']);
    await driver.run();
    const checkpointAt = driver.broker.partition('test-counts-changelog', 0).end;
    await driver.close();
    const other = driver.broker;
    other.append([{ topic: 'test-counts-changelog', partition: 0, records: rows(['b', '7']) }]);
    other.partition('test-counts-changelog', 0).trim(checkpointAt + 1);
    await driver.crash();
    expect(await storedCounts(driver.store('counts'))).toEqual({});
    await driver.close();
  });

  test('a processor reaches only the stores it was given', async () => {
    const nosy: Processor<RecordBatch> = {
      open: (context) => void context.store('counts'),
      process: () => {},
    };
    const topology = wordCount().processor('nosy', { from: ['lines'], create: () => nosy });
    await expect(TopologyTestDriver.create(topology)).rejects.toThrow('does not give it');
  });
});

describe('retryLater', () => {
  class WaitFor implements Processor<RecordBatch> {
    readonly gate: { open: boolean };
    readonly batches: number[][] = [];
    #forwardedTo = -1;
    constructor(gate: { open: boolean }) {
      this.gate = gate;
    }
    process(batch: RecordBatch, context: ProcessorContext): void {
      this.batches.push([...batch.offsets.subarray(0, batch.n)]);
      const last = batch.offsets[batch.n - 1]!;
      if (last > this.#forwardedTo) {
        context.output('samples').append(0, null, Uint8Array.of(last));
        this.#forwardedTo = last;
      }
      if (!this.gate.open) context.retryLater('waiting for the gate');
    }
  }

  function gated(gate: { open: boolean }) {
    const waiter = new WaitFor(gate);
    const first: Processor<RecordBatch> = {
      process: (batch, context) => {
        context.output('bad').append(0, null, Uint8Array.of(batch.n), [{ key: 'h', value: null }]);
        context.forward('wait', batch);
      },
    };
    const topology = new Topology()
      .source('in', { topic: 'in' })
      .processor('first', { from: ['in'], create: () => first })
      .processor('wait', { from: ['first'], create: () => waiter })
      .sink('bad', { from: ['first'], topic: 'bad' })
      .sink('samples', { from: ['wait'], topic: 'samples' });
    return { waiter, topology };
  }

  test('delivers the batch again with what followed; the asker keeps its outputs, others make theirs again', async () => {
    const gate = { open: false };
    const { waiter, topology } = gated(gate);
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('in', [{ value: 'x' }, { value: 'y' }]);
    await driver.run();
    expect(await driver.read('samples')).toHaveLength(1);
    expect(await driver.read('bad')).toEqual([]);
    expect(await driver.broker.committedOffsets('test', [{ topic: 'in', partition: 0 }])).toEqual([
      expect.objectContaining({ offset: 0 }),
    ]);
    await driver.pipe('in', { value: 'z' });
    gate.open = true;
    await driver.run();
    expect(waiter.batches.at(0)).toEqual([0, 1]);
    expect(waiter.batches.at(-1)).toEqual([0, 1, 2]);
    expect((await driver.read('bad')).map((record) => record.value![0])).toEqual([3]);
    expect(await driver.broker.committedOffsets('test', [{ topic: 'in', partition: 0 }])).toEqual([
      expect.objectContaining({ offset: 3 }),
    ]);
  });

  test('holds back one source, not the others of the task', async () => {
    const seen: string[] = [];
    const join: Processor<RecordBatch> = {
      process: (batch, context) => {
        if (batch.topic === 'commands' && !seen.includes('go')) return context.retryLater('no go');
        for (let row = 0; row < batch.n; row++) seen.push(text.decode(recordValue(batch, row)!));
      },
    };
    const topology = new Topology()
      .source('data', { topic: 'data' })
      .source('commands', { topic: 'commands' })
      .processor('join', { from: ['data', 'commands'], create: () => join });
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('commands', { value: 'promote' });
    await driver.pipe('data', { value: 'go' });
    await driver.run();
    expect(seen).toEqual(['go', 'promote']);
  });

  test('outside of process it is a mistake', async () => {
    let context: ProcessorContext | undefined;
    const driver = await TopologyTestDriver.create(
      wordCount({
        opened: (given) => {
          context = given;
        },
      }),
    );
    expect(() => context!.retryLater('now')).toThrow('inside `process`');
    await driver.close();
  });
});

describe('punctuation', () => {
  function ticking(kind: 'stream-time' | 'wall-clock') {
    const ticks: number[] = [];
    const topology = wordCount({
      opened: (context) => void context.schedule(100, kind, (nowMs) => ticks.push(nowMs)),
    });
    return { ticks, topology };
  }

  test('by stream time it follows the newest record, once for each batch that passes the interval', async () => {
    const { ticks, topology } = ticking('stream-time');
    const driver = await TopologyTestDriver.create(topology);
    for (const timestamp of [1000, 1050, 1099, 1100, 1090, 1450, 1499, 1500]) {
      await driver.pipe('lines', { value: 'a', timestamp });
      await driver.run();
    }
    expect(ticks).toEqual([1100, 1450, 1500]);
  });

  test('stream time survives a crash', async () => {
    const { ticks, topology } = ticking('stream-time');
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('lines', { value: 'a', timestamp: 1000 });
    await driver.run();
    await driver.crash();
    await driver.pipe('lines', { value: 'a', timestamp: 1100 });
    await driver.run();
    expect(ticks).toEqual([1100]);
  });

  test('stream time survives a crash of a task without a store too', async () => {
    const times: number[] = [];
    const watch: Processor<RecordBatch> = {
      open: (context) => void times.push(context.streamTimeMs),
      process: () => {},
    };
    const topology = new Topology()
      .source('in', { topic: 'in' })
      .processor('watch', { from: ['in'], create: () => watch });
    const driver = await TopologyTestDriver.create(topology);
    await driver.pipe('in', { value: 'a', timestamp: 1234 });
    await driver.run();
    await driver.crash();
    expect(times).toEqual([-1, 1234]);
  });

  test('by wall clock it needs no records, and a late one is made once', async () => {
    const { ticks, topology } = ticking('wall-clock');
    const driver = await TopologyTestDriver.create(topology);
    const startMs = driver.clock.nowMs();
    await driver.advanceWallClock(99);
    await driver.advanceWallClock(1);
    await driver.advanceWallClock(350);
    await driver.advanceWallClock(50);
    expect(ticks.map((ms) => ms - startMs)).toEqual([100, 450, 500]);
  });

  test('an ended one is not made again', async () => {
    let ticks = 0;
    const topology = wordCount({
      opened: (context) => {
        const end = context.schedule(100, 'wall-clock', () => {
          ticks += 1;
          end();
        });
      },
    });
    const driver = await TopologyTestDriver.create(topology);
    await driver.advanceWallClock(100);
    await driver.advanceWallClock(100);
    expect(ticks).toBe(1);
  });
});

test('an exception of a processor says where it happened', async () => {
  const topology = wordCount({
    line: (line) => {
      if (line === 'boom') throw new Error('no booms');
    },
  });
  const driver = await TopologyTestDriver.create(topology, { partitions: { lines: 2, totals: 2 } });
  await pipeLines(driver, ['fine'], 1);
  await driver.run();
  await pipeLines(driver, ['boom'], 1);
  const failure = await driver.run().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ProcessorFailedError);
  expect((failure as ProcessorFailedError).fields).toMatchObject({
    taskId: 'count_1',
    topic: 'lines',
    partition: 1,
    offset: 1,
  });
  expect((failure as Error).message).toContain('lines-1, offsets 1 to 1: no booms');
});

function rows(pair: [string, string]): RecordBatchBuilder {
  const builder = new RecordBatchBuilder();
  const encode = new TextEncoder();
  builder.append(0, encode.encode(pair[0]), encode.encode(pair[1]));
  return builder;
}
