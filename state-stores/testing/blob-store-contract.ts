// What every holder of artifacts must do: a folder, a bucket, each under encryption too.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlobStore } from '../artifacts/blob-store.ts';

export interface BlobStoreContractOptions {
  readonly name: string;
  /** An empty place. */
  readonly create: () => Promise<BlobStore>;
  /** The same place again, as another process sees it. */
  readonly again: () => Promise<BlobStore>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function keysIn(blobs: BlobStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list(prefix)) keys.push(key);
  return keys.sort();
}

export function blobStoreContract({ name, create, again }: BlobStoreContractOptions): void {
  describe(`blobs in ${name}`, () => {
    let blobs: BlobStore;
    let others: BlobStore;

    beforeEach(async () => {
      blobs = await create();
      others = await again();
    });

    afterEach(async () => {
      await blobs.close();
      await blobs.close();
      await others.close();
    });

    it('gives back what was put, to everybody', async () => {
      await blobs.put('a/one', bytes('1'));
      await blobs.put('a/empty', new Uint8Array(0));
      expect(text(await others.get('a/one'))).toBe('1');
      expect(text(await others.get('a/empty'))).toBe('');
      expect(await others.get('a/none')).toBeUndefined();
      await blobs.put('a/one', bytes('2'));
      expect(text(await others.get('a/one'))).toBe('2');
    });

    it('keeps every byte of a large blob', async () => {
      const large = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31) % 251);
      await blobs.put('large', large);
      expect(Buffer.from((await others.get('large'))!).equals(large)).toBe(true);
    });

    it('lists by prefix, with sizes, and nothing of the refs', async () => {
      expect(await keysIn(blobs, '')).toEqual([]);
      for (const key of ['a/1', 'a/2', 'b/1']) await blobs.put(key, bytes('xyz'));
      await blobs.swapRef('a/ref', bytes('v'), undefined);
      expect(await keysIn(others, 'a/')).toEqual(['a/1', 'a/2']);
      expect(await keysIn(others, '')).toEqual(['a/1', 'a/2', 'b/1']);
      for await (const { size, modifiedAtMs } of blobs.list('b/')) {
        expect(size).toBeGreaterThanOrEqual(3);
        expect(modifiedAtMs).toBeGreaterThan(1_600_000_000_000);
      }
    });

    it('deletes, and does not mind what is not there', async () => {
      await blobs.put('a', bytes('1'));
      await others.delete('a');
      await others.delete('a');
      expect(await blobs.get('a')).toBeUndefined();
    });

    it('sets a ref only from the value that was seen', async () => {
      expect(await blobs.readRef('r/x')).toBeUndefined();
      expect(await blobs.swapRef('r/x', bytes('early'), '"nobody"')).toBeUndefined();
      const first = await blobs.swapRef('r/x', bytes('1'), undefined);
      expect(first).toBeDefined();
      expect(await others.swapRef('r/x', bytes('late'), undefined)).toBeUndefined();
      const seen = await others.readRef('r/x');
      expect([text(seen?.value), seen?.tag]).toEqual(['1', first]);
      const second = await others.swapRef('r/x', bytes('2'), first);
      expect(second).not.toBe(first);
      expect(await blobs.swapRef('r/x', bytes('stale'), first)).toBeUndefined();
      expect(text((await blobs.readRef('r/x'))?.value)).toBe('2');
    });

    it('forgets a ref, whose name may be set anew', async () => {
      const first = await blobs.swapRef('r/x', bytes('1'), undefined);
      await blobs.swapRef('r/x', bytes('2'), first);
      await blobs.put('r/x', bytes('a blob'));
      await others.deleteRef('r/x');
      await others.deleteRef('r/x');
      expect(await blobs.readRef('r/x')).toBeUndefined();
      expect(text(await blobs.get('r/x'))).toBe('a blob');
      expect(await blobs.swapRef('r/x', bytes('3'), undefined)).toBeDefined();
      expect(text((await others.readRef('r/x'))?.value)).toBe('3');
    });

    it('lets one of many writers win each value', async () => {
      let tag: string | undefined;
      for (let round = 0; round < 5; round += 1) {
        const attempts = Array.from({ length: 8 }, (_, i) =>
          (i % 2 === 0 ? blobs : others).swapRef('race', bytes(`${round}-${i}`), tag),
        );
        const tags = await Promise.all(attempts);
        const winners = tags.flatMap((won, i) => (won === undefined ? [] : [i]));
        expect(winners).toHaveLength(1);
        const ref = await others.readRef('race');
        expect(text(ref?.value)).toBe(`${round}-${winners[0]}`);
        tag = ref?.tag;
      }
    });
  });
}
