import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobStoreContract } from '../testing/blob-store-contract.ts';
import { ArtifactStore, artifactName } from './artifact-store.ts';
import { FolderBlobs } from './folder-blobs.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-artifacts-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const open = async () => new FolderBlobs(folder);

blobStoreContract({ name: 'a folder', create: open, again: open });

describe('a folder of blobs', () => {
  it('does not list or keep what a writer left unfinished', async () => {
    const blobs = await open();
    await blobs.put('a/b', new Uint8Array(3));
    await writeFile(join(folder, 'blobs/a/.draft-of-a-dead-writer'), 'half');
    const keys: string[] = [];
    for await (const { key } of blobs.list('')) keys.push(key);
    expect(keys).toEqual(['a/b']);
    await blobs.swapRef('r', new Uint8Array(1), undefined);
    expect(await readdir(join(folder, 'refs/r'))).toEqual(['0000000001']);
  });

  it('takes no key that would lead out of it', async () => {
    const blobs = await open();
    for (const key of ['../x', 'a/../b', '/x', 'a//b', '', '.hidden', 'A']) {
      await expect(blobs.put(key, new Uint8Array(0)), key).rejects.toThrow(/no key/);
    }
  });
});

describe('artifacts', () => {
  const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  const abc = new TextEncoder().encode('abc');

  it('are named by the SHA-256 of their bytes, so that the same bytes are one', async () => {
    const artifacts = new ArtifactStore(await open());
    const name = await artifacts.put(abc);
    expect(name).toBe(`sha256/${sha256OfAbc}`);
    expect(await artifacts.put(abc)).toBe(name);
    expect(await artifacts.get(name)).toEqual(abc);
    const all: string[] = [];
    for await (const { key } of artifacts.list()) all.push(key);
    expect(all).toEqual([name]);
  });

  it('are checked when they are read', async () => {
    const artifacts = new ArtifactStore(await open());
    const name = await artifacts.put(abc);
    await writeFile(join(folder, 'blobs', name), 'abd');
    await expect(artifacts.get(name)).rejects.toMatchObject({
      code: 'MEANSTREAM_ARTIFACT_CORRUPTED',
    });
    await artifacts.delete(name);
    expect(await artifacts.get(name)).toBeUndefined();
  });

  it('are named by refs, of which one writer of two moves on', async () => {
    const artifacts = new ArtifactStore(await open());
    const one = await artifacts.put(abc);
    const two = artifactName(new Uint8Array(1));
    const tag = await artifacts.swapRef('coresets/default', one, undefined);
    expect(await artifacts.readRef('coresets/default')).toEqual({ artifact: one, tag });
    expect(await artifacts.swapRef('coresets/default', two, tag)).toBeDefined();
    expect(await artifacts.swapRef('coresets/default', one, tag)).toBeUndefined();
    expect((await artifacts.readRef('coresets/default'))?.artifact).toBe(two);
  });
});
