import { expect, it } from 'vitest';
import { CachedStore } from './cached.ts';
import type { KeyValueStore } from './state-store.ts';

const key = (name: string): Uint8Array => new Uint8Array(Buffer.from(name));

/** A store that counts its reads and answers when told to. */
function countingStore(): KeyValueStore & { reads: string[]; release?: () => void } {
  const values = new Map<string, Uint8Array>();
  const store: KeyValueStore & { reads: string[]; release?: () => void } = {
    name: 'counted',
    reads: [],
    async get(at) {
      store.reads.push(Buffer.from(at).toString());
      const value = values.get(Buffer.from(at).toString());
      if (store.release !== undefined) {
        await new Promise<void>((resolve) => {
          store.release = resolve;
        });
      }
      return value;
    },
    async *range() {},
    put: (at, value) => void values.set(Buffer.from(at).toString(), value),
    delete: (at) => void values.delete(Buffer.from(at).toString()),
  };
  return store;
}

it('reads a key once, present or absent, and drops the one unused for longest', async () => {
  const store = countingStore();
  store.put(key('a'), Uint8Array.of(1));
  const cache = new CachedStore(store, { entriesMax: 2, bytesMax: 100 });
  await cache.get(key('a'));
  await cache.get(key('b'));
  await cache.get(key('a'));
  expect(store.reads).toEqual(['a', 'b']);
  await cache.get(key('c'));
  await cache.get(key('a'));
  expect(store.reads).toEqual(['a', 'b', 'c']);
  await cache.get(key('b'));
  expect(store.reads).toEqual(['a', 'b', 'c', 'b']);
});

it('holds no more bytes than it may, nor a value larger than that', async () => {
  const cache = new CachedStore(countingStore(), { entriesMax: 100, bytesMax: 10 });
  for (const name of ['a', 'b', 'c', 'd']) cache.put(key(name), new Uint8Array(4));
  expect(cache.entries).toBe(2);
  expect(cache.bytes).toBe(10);
  cache.put(key('big'), new Uint8Array(50));
  expect(cache.bytes).toBeLessThanOrEqual(10);
});

it('writes through, and a read begun before a write does not bring the old value back', async () => {
  const store = countingStore();
  store.put(key('a'), Uint8Array.of(1));
  const cache = new CachedStore(store, { entriesMax: 4, bytesMax: 100 });
  store.release = () => {};
  const early = cache.get(key('a'));
  cache.put(key('a'), Uint8Array.of(2));
  store.release();
  expect(await early).toEqual(Uint8Array.of(1));
  expect(await cache.get(key('a'))).toEqual(Uint8Array.of(2));
  cache.delete(key('a'));
  expect(await cache.get(key('a'))).toBeUndefined();
});
