import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RecordBatch, type RecordBatchBuilder, recordKey } from '../schemas/index.ts';
import { ManualClock, Random, silentLogger } from '../support/index.ts';
import { CachedStore } from './cached.ts';
import { ChangelogStore, type ChangelogStoreOptions } from './changelog.ts';
import { createEngine } from './open-engine.ts';
import type { KeyValueStore, RangeOptions, StateStore } from './state-store.ts';

const day = 24 * 60 * 60 * 1000;
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
const progressAt = (offset: number) => ({
  inputOffsets: { 'deltas-0': offset },
  streamTimeMs: offset * 1000,
});

async function read(store: KeyValueStore, key: string): Promise<string | undefined> {
  const value = await store.get(text(key));
  return value === undefined ? undefined : Buffer.from(value).toString();
}

async function entries(store: KeyValueStore, options?: RangeOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const { key, value } of store.range(options)) {
    found.push(`${Buffer.from(key)}=${Buffer.from(value)}`);
  }
  return found;
}

/** What a log would give back for these records, `baseOffset` on. */
function asRead(records: RecordBatchBuilder, baseOffset: number): RecordBatch {
  const n = records.n;
  return {
    topic: 'changelog',
    partition: 0,
    n,
    bytes: records.bytes.slice(),
    keyStarts: records.keyStarts.slice(),
    keyEnds: records.keyEnds.slice(),
    valueStarts: records.valueStarts.slice(),
    valueEnds: records.valueEnds.slice(),
    timestamps: records.timestamps.slice(),
    headers: new Map(),
    offsets: Float64Array.from({ length: n }, (_, row) => baseOffset + row),
    nextOffset: baseOffset + n,
  };
}

for (const kind of ['memory', 'rocksdb', 'level'] as const) {
  describe(`a changelogged store over ${kind}`, () => {
    let folder: string;
    let engine: StateStore;
    let clock: ManualClock;
    let store: ChangelogStore;
    const bounds = { logStart: 0, end: 0, ageMsMax: day };

    const over = (options: Partial<ChangelogStoreOptions> = {}) =>
      new ChangelogStore({
        engine,
        applicationId: 'app',
        taskId: 'fold_0',
        schemaVersion: 1,
        clock,
        ...options,
      });

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'changelog-'));
      clock = new ManualClock();
      engine = createEngine(kind, { name: 'centroids', dir: folder, logger: silentLogger });
      await engine.open();
      store = over();
      await store.recover(bounds);
    });

    afterEach(async () => {
      await engine.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function commit(offset: number): Promise<RecordBatch> {
      const base = store.changelogOffset;
      const batch = asRead(store.takeChangelog(progressAt(offset), offset), base);
      await store.commitTo(batch.nextOffset);
      return batch;
    }

    it('lets its task read what the engine does not hold before the commit', async () => {
      store.put(text('a'), text('1'));
      expect(await read(store, 'a')).toBe('1');
      expect(await engine.get(text('a'))).toBeUndefined();
      await commit(1);
      expect(await read(store, 'a')).toBe('1');
      expect(await engine.get(text('a'))).toBeDefined();
      store.delete(text('a'));
      expect(await read(store, 'a')).toBeUndefined();
      expect(await engine.get(text('a'))).toBeDefined();
    });

    it('merges overlay and engine in a range', async () => {
      for (const key of ['b', 'd', 'f']) store.put(text(key), text('old'));
      await commit(1);
      store.put(text('a'), text('new'));
      store.put(text('d'), text('new'));
      store.delete(text('f'));
      store.put(text('e'), text('new'));
      store.takeChangelog(progressAt(2), 2);
      store.put(text('e'), text('newer'));
      store.put(text('z'), text('new'));
      expect(await entries(store)).toEqual(['a=new', 'b=old', 'd=new', 'e=newer', 'z=new']);
      expect(await entries(store, { from: text('b'), to: text('e') })).toEqual(['b=old', 'd=new']);
    });

    it('ends every changelog batch with its progress, and writes it with the data', async () => {
      store.put(text('a'), text('1'));
      const batch = await commit(5);
      expect(batch.n).toBe(2);
      expect(Buffer.from(recordKey(batch, 1)!).toString()).toContain('progress');
      expect(store.progress).toEqual(progressAt(5));
      expect(await engine.checkpoint()).toMatchObject({
        applicationId: 'app',
        taskId: 'fold_0',
        changelogOffset: 2,
        inputOffsets: { 'deltas-0': 5 },
        streamTimeMs: 5000,
        writtenAtMs: clock.nowMs(),
      });
    });

    it('keeps writes of the next transaction apart from one that is being committed', async () => {
      store.put(text('a'), text('1'));
      store.takeChangelog(progressAt(1), 1);
      store.put(text('a'), text('2'));
      await store.commitTo(2);
      expect(Buffer.from((await engine.get(text('a')))!).toString()).toBe('1');
      expect(await read(store, 'a')).toBe('2');
      store.dropOverlay();
      expect(await read(store, 'a')).toBe('1');
    });

    it('forgets a dropped transaction, sealed or not', async () => {
      store.put(text('a'), text('1'));
      await commit(1);
      store.put(text('a'), text('2'));
      store.takeChangelog(progressAt(2), 2);
      store.put(text('a'), text('3'));
      store.dropOverlay();
      expect(await read(store, 'a')).toBe('1');
      expect(store.progress).toEqual(progressAt(1));
    });

    it('is the same after a restore from the changelog alone', async () => {
      const log: RecordBatch[] = [];
      const random = new Random(7);
      for (let offset = 1; offset <= 20; offset += 1) {
        for (let at = 0; at < 10; at += 1) {
          const key = text(`key-${random.below(30)}`);
          if (random.below(4) === 0) store.delete(key);
          else store.put(key, text(`${offset}-${at}`));
        }
        log.push(await commit(offset));
      }
      const expected = await entries(store);
      await engine.wipe();
      const rebuilt = over();
      const { restoreFrom } = await rebuilt.recover({ ...bounds, end: store.changelogOffset });
      expect(restoreFrom).toBe(0);
      for (const batch of log) await rebuilt.restore(batch);
      expect(await entries(rebuilt)).toEqual(expected);
      expect(rebuilt.progress).toEqual(progressAt(20));
      expect(rebuilt.changelogOffset).toBe(store.changelogOffset);
    });

    it('goes on from its checkpoint after a crash between the commit and its write', async () => {
      store.put(text('a'), text('1'));
      await commit(1);
      store.put(text('a'), text('2'));
      const lost = asRead(store.takeChangelog(progressAt(2), 2), store.changelogOffset);
      const next = over();
      expect(await next.recover({ ...bounds, end: 4 })).toEqual({ restoreFrom: 2 });
      await next.restore(lost);
      expect(await read(next, 'a')).toBe('2');
      expect(next.progress).toEqual(progressAt(2));
    });

    it.each([
      ['another application', { applicationId: 'other' }, {}],
      ['another task', { taskId: 'fold_1' }, {}],
      ['another schema', { schemaVersion: 2 }, {}],
      ['a changelog that begins after it', {}, { logStart: 3, end: 9 }],
      ['a changelog that ends before it', {}, { end: 1 }],
      ['an age at which deletions are forgotten', {}, { end: 9, ageMsMax: -1 }],
    ])('is wiped and restored from the start when it meets %s', async (_, options, change) => {
      store.put(text('a'), text('1'));
      await commit(1);
      const judged = { ...bounds, end: 2, ...change };
      const recovery = await over(options).recover(judged);
      expect(recovery.restoreFrom).toBe(judged.logStart);
      expect(recovery.wipedBecause).toMatch(/will be rebuilt/);
      expect(await engine.get(text('a'))).toBeUndefined();
    });

    it('is kept at any age when it has missed nothing', async () => {
      store.put(text('a'), text('1'));
      await commit(1);
      clock.advance(10 * day);
      expect(await over().recover({ ...bounds, end: 2 })).toEqual({ restoreFrom: 2 });
    });

    it('never shows a cached value that a dropped transaction wrote', async () => {
      const cache = new CachedStore(store, { entriesMax: 4, bytesMax: 1000 });
      cache.put(text('a'), text('1'));
      await commit(1);
      cache.put(text('a'), text('2'));
      expect(await read(cache, 'a')).toBe('2');
      store.dropOverlay();
      cache.clear();
      expect(await read(cache, 'a')).toBe('1');
    });
  });
}
