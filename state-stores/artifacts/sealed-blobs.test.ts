import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobStoreContract } from '../testing/blob-store-contract.ts';
import { FolderBlobs } from './folder-blobs.ts';
import { SealedBlobs } from './sealed-blobs.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-sealed-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const old = { id: '2025', bytes: new Uint8Array(32).fill(1) };
const current = { id: '2026', bytes: new Uint8Array(32).fill(2) };
const over = (...keys: (typeof old)[]) => new SealedBlobs(new FolderBlobs(folder), keys);
const open = async () => over(current, old);
const text = new TextEncoder().encode('a centroid');
const corrupted = { code: 'MEANSTREAM_ARTIFACT_CORRUPTED' };

blobStoreContract({ name: 'a folder, encrypted', create: open, again: open });

describe('encrypted blobs', () => {
  it('say nothing of their content, and no two are alike', async () => {
    const blobs = over(current);
    await blobs.put('a', text);
    await blobs.put('b', text);
    const [a, b] = await Promise.all(['a', 'b'].map((key) => readFile(join(folder, 'blobs', key))));
    expect(a!.includes('centroid')).toBe(false);
    expect(a!.equals(b!)).toBe(false);
    expect(a!.subarray(0, 9).toString()).toBe('MSB1\u00042026');
  });

  it('are read with any of the keys and written with the first: a key is rotated without a rewrite', async () => {
    await over(old).put('a', text);
    const rotated = over(current, old);
    expect(await rotated.get('a')).toEqual(text);
    await rotated.put('b', text);
    expect(await over(current).get('b')).toEqual(text);
    await expect(over(current).get('a')).rejects.toMatchObject(corrupted);
  });

  it('do not open when a byte was changed, when moved to another name, or cut off', async () => {
    const blobs = over(current);
    await blobs.put('a', text);
    const path = join(folder, 'blobs', 'a');
    const sealed = await readFile(path);
    await writeFile(join(folder, 'blobs', 'b'), sealed);
    await expect(blobs.get('b')).rejects.toMatchObject(corrupted);
    for (const at of [5, 10, sealed.length - 20, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      await writeFile(path, changed);
      await expect(blobs.get('a'), `byte ${at}`).rejects.toMatchObject(corrupted);
    }
    await writeFile(path, sealed.subarray(0, 20));
    await expect(blobs.get('a')).rejects.toMatchObject(corrupted);
  });

  it('let what was stored before there was a key be read', async () => {
    await new FolderBlobs(folder).put('a', text);
    expect(await over(current).get('a')).toEqual(text);
  });

  it('take no key of another length', () => {
    const short = { id: 'x', bytes: new Uint8Array(16) };
    expect(() => over(short)).toThrow(/32 bytes/);
    expect(() => over()).toThrow(/there is none/);
  });
});
