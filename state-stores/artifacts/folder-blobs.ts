// Blobs in a local folder: `blobs/<key>`, and `refs/<name>/<number>`, the highest number being the ref's value.
//
// A file is written beside its place, flushed, and then renamed (a blob) or linked (a ref). A link to a name that exists fails,
// and that is the compare-and-swap: whoever saw number n links n + 1, and the second to do so has lost. No lock is held, so a
// process that dies leaves nothing to wait for. Files of values that were replaced stay: they are the ref's history, a few bytes each.

import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { assert } from '../../support/index.ts';
import { type BlobInfo, type BlobStore, isBlobKey, type Ref } from './blob-store.ts';

/** Numbers of refs have this many digits, so that names sort as numbers. */
const refDigits = 10;
/** Begins with a dot, which no key does. */
const draftPrefix = '.draft-';

export class FolderBlobs implements BlobStore {
  readonly location: string;

  constructor(folder: string) {
    this.location = folder;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path('blobs', key);
    const draft = await writeDraft(dirname(path), bytes);
    await rename(draft, path);
    await flushFolder(dirname(path));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return readIfThere(this.#path('blobs', key));
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path('blobs', key), { force: true });
  }

  async *list(prefix: string): AsyncGenerator<BlobInfo> {
    const root = join(this.location, 'blobs');
    for (const entry of await entriesIn(root, true)) {
      const path = join(entry.parentPath, entry.name);
      const key = relative(root, path).split(sep).join('/');
      if (!entry.isFile() || entry.name.startsWith('.') || !key.startsWith(prefix)) continue;
      const info = await statIfThere(path);
      if (info !== undefined) yield { key, size: info.size, modifiedAtMs: info.mtimeMs };
    }
  }

  async readRef(name: string): Promise<Ref | undefined> {
    const folder = this.#path('refs', name);
    const tag = await newest(folder);
    if (tag === undefined) return undefined;
    const value = await readIfThere(join(folder, tag));
    assert(value !== undefined, `a value of ref ${name} is never removed`);
    return { value, tag };
  }

  async swapRef(
    name: string,
    value: Uint8Array,
    expectedTag: string | undefined,
  ): Promise<string | undefined> {
    const folder = this.#path('refs', name);
    if ((await newest(folder)) !== expectedTag) return undefined;
    const number = expectedTag === undefined ? 1 : Number(expectedTag) + 1;
    const tag = String(number).padStart(refDigits, '0');
    const draft = await writeDraft(folder, value);
    try {
      await link(draft, join(folder, tag));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return undefined;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
    await flushFolder(folder);
    return tag;
  }

  async deleteRef(name: string): Promise<void> {
    await rm(this.#path('refs', name), { recursive: true, force: true });
  }

  async close(): Promise<void> {}

  #path(kind: 'blobs' | 'refs', key: string): string {
    assert(isBlobKey(key), `"${key}" is no key of a blob`);
    return join(this.location, kind, ...key.split('/'));
  }
}

async function newest(folder: string): Promise<string | undefined> {
  const names = (await entriesIn(folder, false)).map(({ name }) => name);
  return names
    .filter((name) => /^\d+$/.test(name))
    .sort()
    .at(-1);
}

async function writeDraft(folder: string, bytes: Uint8Array): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${draftPrefix}${randomUUID()}`);
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  return path;
}

/** So that the new name survives a power cut too. */
async function flushFolder(folder: string): Promise<void> {
  const file = await open(folder, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function entriesIn(folder: string, recursive: boolean) {
  try {
    return await readdir(folder, { withFileTypes: true, recursive });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}
