// What every engine must do, whatever it is made of. Run by memory.test.ts, rocksdb.test.ts and level.test.ts; what an
// engine does not claim in its features is skipped with the reason in the test's name, the rest is mandatory.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import type { StateStore, StoreCheckpoint, StoreEntry, StoreWrite } from '../state-store.ts';

export interface StoreContractOptions {
  readonly name: StateStore['engine'];
  readonly create: (dir: string) => StateStore;
  readonly features: {
    /** Keeps its data over close, open and a killed process. */
    readonly persistent: boolean;
  };
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const plain = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1');

async function collect(entries: AsyncIterable<StoreEntry>): Promise<[string, string][]> {
  const collected: [string, string][] = [];
  for await (const { key, value } of entries) collected.push([plain(key)!, plain(value)!]);
  return collected;
}

function checkpointAt(changelogOffset: number): StoreCheckpoint {
  return {
    applicationId: 'app',
    taskId: 'task_0',
    storeName: 'contract',
    schemaVersion: 1,
    changelogOffset,
    inputOffsets: { 'points-0': changelogOffset * 10 },
    writtenAtMs: 1_700_000_000_000,
  };
}

export function storeContract({ name, create, features }: StoreContractOptions): void {
  const whenPersistent = features.persistent ? it : it.skip;
  const why = features.persistent ? '' : ' (skipped: this engine keeps nothing over a close)';

  describe(`${name} keeps the contract of a state store`, () => {
    let dir: string;
    let store: StateStore;

    beforeEach(async () => {
      dir = join(mkdtempSync(join(tmpdir(), `store-${name}-`)), 'store');
      store = create(dir);
      await store.open();
    });

    afterEach(async () => {
      await store.close();
      rmSync(join(dir, '..'), { recursive: true, force: true });
    });

    it('gives back what was put and nothing for a key that never was', async () => {
      await store.write([{ key: text('a'), value: text('1') }]);
      expect(plain(await store.get(text('a')))).toBe('1');
      expect(await store.get(text('b'))).toBeUndefined();
    });

    it('forgets a deleted key, and deleting one that never was is no error', async () => {
      await store.write([{ key: text('a'), value: text('1') }]);
      await store.write([
        { key: text('a'), value: null },
        { key: text('never'), value: null },
      ]);
      expect(await store.get(text('a'))).toBeUndefined();
      expect(await collect(store.range())).toEqual([]);
    });

    it('tells an empty value from no value, and takes the empty key', async () => {
      await store.write([
        { key: text('empty'), value: bytes() },
        { key: bytes(), value: text('at the empty key') },
      ]);
      expect(await store.get(text('empty'))).toHaveLength(0);
      expect(plain(await store.get(bytes()))).toBe('at the empty key');
      expect((await collect(store.range())).map(([key]) => key)).toEqual(['', 'empty']);
    });

    it('lets the later write to a key win inside one batch', async () => {
      await store.write([
        { key: text('a'), value: text('first') },
        { key: text('b'), value: text('gone') },
        { key: text('a'), value: text('second') },
        { key: text('b'), value: null },
        { key: text('c'), value: null },
        { key: text('c'), value: text('back') },
      ]);
      expect(await collect(store.range())).toEqual([
        ['a', 'second'],
        ['c', 'back'],
      ]);
    });

    it('ranges in unsigned byte order, from inclusive, to exclusive', async () => {
      const keys = [
        bytes(0),
        bytes(0, 0),
        bytes(1),
        bytes(127),
        bytes(128),
        bytes(255),
        bytes(255, 255),
      ];
      await store.write(keys.toReversed().map((key) => ({ key, value: key })));
      const found = async (options?: { from?: Uint8Array; to?: Uint8Array }) =>
        (await collect(store.range(options))).map(([key]) => key);
      expect(await found()).toEqual(keys.map(plain));
      expect(await found({ from: bytes(1), to: bytes(255) })).toEqual(
        [bytes(1), bytes(127), bytes(128)].map(plain),
      );
      expect(await found({ from: bytes(128) })).toEqual(
        [bytes(128), bytes(255), bytes(255, 255)].map(plain),
      );
      expect(await found({ to: bytes(0, 0) })).toEqual([plain(bytes(0))]);
      expect(await found({ from: bytes(2), to: bytes(3) })).toEqual([]);
    });

    it('ranges over a snapshot: writes made meanwhile are not seen', async () => {
      const keys = Array.from({ length: 500 }, (_, at) =>
        text(`key-${String(at).padStart(3, '0')}`),
      );
      await store.write(keys.map((key) => ({ key, value: text('old') })));
      const seen: [string, string][] = [];
      for await (const { key, value } of store.range()) {
        if (seen.length === 0) {
          await store.write(
            keys.map((each, at) => ({ key: each, value: at % 2 ? null : text('new') })),
          );
        }
        seen.push([plain(key)!, plain(value)!]);
      }
      expect(seen).toEqual(keys.map((key) => [plain(key)!, 'old']));
      expect(await collect(store.range())).toHaveLength(250);
    });

    it('may be left in the middle of a range', async () => {
      await store.write([
        { key: text('a'), value: text('1') },
        { key: text('b'), value: text('2') },
      ]);
      for await (const { key } of store.range()) {
        expect(plain(key)).toBe('a');
        break;
      }
      await store.close();
    });

    it('writes the checkpoint with the data, and keeps it out of ranges', async () => {
      expect(await store.checkpoint()).toBeUndefined();
      await store.write([{ key: text('a'), value: text('1') }], checkpointAt(7));
      await store.write([{ key: text('b'), value: text('2') }]);
      expect(await store.checkpoint()).toEqual(checkpointAt(7));
      await store.write([], checkpointAt(9));
      expect(await store.checkpoint()).toEqual(checkpointAt(9));
      expect((await collect(store.range())).map(([key]) => key)).toEqual(['a', 'b']);
    });

    it('shares no bytes with its callers', async () => {
      const key = Buffer.from('a');
      const value = Buffer.from('kept');
      await store.write([{ key, value }]);
      key.fill(0);
      value.fill(0);
      (await store.get(text('a')))!.fill(0);
      for await (const entry of store.range()) entry.value.fill(0);
      expect(plain(await store.get(text('a')))).toBe('kept');
    });

    it('takes keys and values that are views into a larger array', async () => {
      const arena = text('xxKEYyyVALUEzz');
      await store.write([{ key: arena.subarray(2, 5), value: arena.subarray(7, 12) }]);
      expect(await collect(store.range())).toEqual([['KEY', 'VALUE']]);
    });

    it('holds a value of one mebibyte', async () => {
      const big = new Uint8Array(1024 * 1024);
      const random = new Random(1);
      for (let at = 0; at < big.length; at += 1) big[at] = random.uint32();
      await store.write([{ key: text('big'), value: big }]);
      expect(Buffer.compare((await store.get(text('big')))!, big)).toBe(0);
    });

    it('holds 20,000 keys', async () => {
      for (let from = 0; from < 20_000; from += 500) {
        const writes: StoreWrite[] = [];
        for (let at = from; at < from + 500; at += 1) {
          writes.push({ key: text(`key-${at}`), value: text(String(at)) });
        }
        await store.write(writes);
      }
      let count = 0;
      for await (const { key, value } of store.range()) {
        count += plain(key) === `key-${plain(value)}` ? 1 : 0;
      }
      expect(count).toBe(20_000);
      expect(plain(await store.get(text('key-12345')))).toBe('12345');
    });

    it('keeps what is stored when it is made ready for many writes, and takes more', async () => {
      await store.write([{ key: text('a'), value: text('1') }], checkpointAt(7));
      await store.setBulk?.(true);
      await store.write([{ key: text('b'), value: text('2') }]);
      await store.setBulk?.(false);
      expect(await collect(store.range())).toEqual([
        ['a', '1'],
        ['b', '2'],
      ]);
      expect(await store.checkpoint()).toEqual(checkpointAt(7));
    });

    it('is open and empty after a wipe', async () => {
      await store.write([{ key: text('a'), value: text('1') }], checkpointAt(3));
      await store.wipe();
      expect(await store.get(text('a'))).toBeUndefined();
      expect(await store.checkpoint()).toBeUndefined();
      await store.write([{ key: text('b'), value: text('2') }]);
      expect(await collect(store.range())).toEqual([['b', '2']]);
    });

    it('opens and closes as often as it is told to', async () => {
      await Promise.all([store.open(), store.open()]);
      await store.close();
      await store.close();
      await store.open();
      expect(await store.get(text('a'))).toBeUndefined();
    });

    it('refuses every other call once closed', async () => {
      await store.close();
      await expect(store.get(text('a'))).rejects.toThrow();
      await expect(store.write([{ key: text('a'), value: text('1') }])).rejects.toThrow();
      await expect(store.checkpoint()).rejects.toThrow();
      await expect(collect(store.range())).rejects.toThrow();
    });

    whenPersistent(`keeps data and checkpoint over a close${why}`, async () => {
      await store.write([{ key: text('a'), value: text('1') }], checkpointAt(5));
      await store.close();
      store = create(dir);
      await store.open();
      expect(plain(await store.get(text('a')))).toBe('1');
      expect(await store.checkpoint()).toEqual(checkpointAt(5));
    });

    whenPersistent(`keeps whole batches when its process is killed in a write${why}`, async () => {
      await store.close();
      for (const batchesBeforeKill of [1, 5, 20]) {
        const acknowledged = await killInWrite(name, dir, batchesBeforeKill);
        await store.open();
        const batch = (await store.checkpoint())!.changelogOffset;
        expect(batch).toBeGreaterThanOrEqual(acknowledged);
        const numbers = new Set((await collect(store.range())).map(([, value]) => Number(value)));
        expect([...numbers]).toEqual([batch]);
        await store.wipe();
        await store.close();
      }
    });

    for (const [what, reopenFirst] of [
      ['tables', true],
      ['its log', false],
    ] as const) {
      whenPersistent(
        `never gives a wrong value after bytes in ${what} were flipped${why}`,
        async () => {
          await store.close();
          let detected = 0;
          for (let seed = 1; seed <= 12; seed += 1) {
            rmSync(dir, { recursive: true, force: true });
            await fill(create(dir));
            if (reopenFirst) await reopen(create(dir));
            flipBytes(dir, new Random(seed), 40);
            detected += (await judge(create(dir))) ? 1 : 0;
          }
          if (reopenFirst) expect(detected).toBeGreaterThan(6);
        },
      );
    }
  });
}

const killTarget = join(import.meta.dirname, '../../dist/state-stores/testing/kill-target.js');

/** Runs the writer until it has finished that many batches, kills it, and gives the last batch it reported. */
async function killInWrite(name: string, dir: string, batches: number): Promise<number> {
  expect(existsSync(killTarget), 'npm run build makes the process this test kills').toBe(true);
  const child: ChildProcess = spawn(process.execPath, [killTarget, name, dir, '200', '2000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    acknowledged = Number(line);
    if (acknowledged === batches) child.kill('SIGKILL');
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
  return acknowledged;
}

const damagedKeys = Array.from({ length: 200 }, (_, at) => `key-${String(at).padStart(3, '0')}`);
const damagedValue = (key: string, batch: number): string => `${key}/${batch}/`.repeat(20);

async function fill(store: StateStore): Promise<void> {
  await store.open();
  for (let batch = 1; batch <= 5; batch += 1) {
    await store.write(
      damagedKeys.map((key) => ({ key: text(key), value: text(damagedValue(key, batch)) })),
      checkpointAt(batch),
    );
  }
  await store.close();
}

/** Opening moves what the log holds into tables. */
async function reopen(store: StateStore): Promise<void> {
  await store.open();
  await store.close();
}

/** Flips bytes of the data files; those that only tell a person something (LOG, IDENTITY, OPTIONS) are left out. */
function flipBytes(dir: string, random: Random, count: number): void {
  const files = readdirSync(dir).filter((file) => /\.(sst|ldb|log)$|^MANIFEST/.test(file));
  const contents = files.map((file) => readFileSync(join(dir, file)));
  const all = Buffer.concat(contents);
  for (let flip = 0; flip < count; flip += 1)
    all[random.below(all.length)]! ^= 1 << random.below(8);
  let start = 0;
  for (const [at, file] of files.entries()) {
    const end = start + contents[at]!.length;
    writeFileSync(join(dir, file), all.subarray(start, end));
    start = end;
  }
}

/** @returns whether the damage was reported; fails when anything else than the checkpoint's own batch is read. */
async function judge(store: StateStore): Promise<boolean> {
  let detected = false;
  const orCorrupted = (error: unknown): 'corrupted' => {
    expect(error).toMatchObject({ code: 'MEANSTREAM_TASK_CORRUPTED' });
    detected = true;
    return 'corrupted';
  };
  if ((await store.open().catch(orCorrupted)) !== 'corrupted') {
    const checkpoint = await store.checkpoint().catch(orCorrupted);
    for (const key of damagedKeys) {
      const value = await store.get(text(key)).catch(orCorrupted);
      if (value === 'corrupted' || checkpoint === 'corrupted') continue;
      const expected = checkpoint && damagedValue(key, checkpoint.changelogOffset);
      expect(plain(value)).toBe(expected);
    }
    await collect(store.range()).catch(orCorrupted);
  }
  await store.wipe();
  expect(await collect(store.range())).toEqual([]);
  await store.close();
  return detected;
}
