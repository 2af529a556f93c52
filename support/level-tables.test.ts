import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LevelStore } from '../state-stores/level.ts';
import { silentLogger } from './index.ts';
import { damagedTables, isSoundTable } from './level-tables.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const footerBytes = 48;

describe('the tables of LevelDB', () => {
  let dir: string;
  let table: string;
  let bytes: Buffer;

  /** One table with many data blocks, squeezed ones among them. */
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'level-tables-'));
    await fillStore(dir);
    await (await opened(dir)).close(); // opening moves the log into a table
    const tables = readdirSync(dir).filter((file) => file.endsWith('.ldb'));
    expect(tables).toHaveLength(1);
    table = tables[0]!;
    bytes = readFileSync(join(dir, table));
    expect(bytes.length).toBeGreaterThan(20_000);
  });

  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('are sound when nothing happened to them', async () => {
    expect(await damagedTables(dir)).toEqual([]);
  });

  it('name a flipped bit wherever it is: in data, filter, metaindex and index', async () => {
    // Every byte of the end, where the small blocks are, and every 31st of the data before it.
    const end = bytes.length - footerBytes;
    for (let at = 0; at < end; at += at < end - 1000 ? 31 : 1) {
      expect(isSoundTable(flipped(at)), `byte ${at} of ${bytes.length}`).toBe(false);
    }
  });

  it('are left to LevelDB when their end is missing: a killed process did not finish them', async () => {
    writeFileSync(join(dir, table), bytes.subarray(0, bytes.length - 1));
    expect(await damagedTables(dir)).toEqual([]);
    const store = new LevelStore({ name: 'words', dir, logger: silentLogger });
    await expect(store.open()).rejects.toMatchObject({ code: 'MEANSTREAM_TASK_CORRUPTED' });
    await store.close();
  });

  it('are checked before LevelDB opens them, which a damaged one could end the process of', async () => {
    writeFileSync(join(dir, table), flipped(bytes.length - footerBytes - 20));
    expect(await damagedTables(dir)).toEqual([table]);
    const store = new LevelStore({ name: 'words', dir, logger: silentLogger });
    await expect(store.open()).rejects.toThrow(
      `Store words has tables with a block that does not match its checksum (${table})`,
    );
    await store.wipe();
    expect(await store.get(text('word-1'))).toBeUndefined();
    await store.close();
  });

  function flipped(at: number): Buffer {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1 << (at % 8);
    return damaged;
  }
});

async function opened(dir: string): Promise<LevelStore> {
  const store = new LevelStore({ name: 'words', dir, logger: silentLogger });
  await store.open();
  return store;
}

async function fillStore(dir: string): Promise<void> {
  const store = await opened(dir);
  await store.write(
    Array.from({ length: 3000 }, (_, at) => ({
      key: text(`word-${at}`),
      value: text(`${Math.sin(at)}`),
    })),
  );
  await store.close();
}
