// A read cache over a KeyValueStore: keeps the values last read or written, bounded in entries and bytes, and drops
// the one not used for longest (a Map keeps insertion order; a hit is put back at its end). Ranges go past it.
// What it holds may belong to the open transaction: call `clear` together with the store's dropOverlay.

import { keyText } from './memory.ts';
import type { KeyValueStore, RangeOptions, StoreEntry } from './state-store.ts';

export interface CacheOptions {
  readonly entriesMax: number;
  /** Of keys and values together. A value above it is not kept. */
  readonly bytesMax: number;
}

export class CachedStore implements KeyValueStore {
  readonly name: string;
  readonly #store: KeyValueStore;
  readonly #options: CacheOptions;
  readonly #values = new Map<string, Uint8Array | undefined>();
  #bytes = 0;
  /** Moves with every change, so that a read begun before one does not bring an old value in after it. */
  #changes = 0;

  constructor(store: KeyValueStore, options: CacheOptions) {
    this.name = store.name;
    this.#store = store;
    this.#options = options;
  }

  get entries(): number {
    return this.#values.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const text = keyText(key);
    if (this.#values.has(text)) {
      const value = this.#values.get(text);
      this.#keep(text, value);
      return value;
    }
    const changes = this.#changes;
    const value = await this.#store.get(key);
    if (changes === this.#changes) this.#keep(text, value);
    return value;
  }

  range(options?: RangeOptions): AsyncIterable<StoreEntry> {
    return this.#store.range(options);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#store.put(key, value);
    this.#changes += 1;
    this.#keep(keyText(key), value);
  }

  delete(key: Uint8Array): void {
    this.#store.delete(key);
    this.#changes += 1;
    this.#keep(keyText(key), undefined);
  }

  clear(): void {
    this.#changes += 1;
    this.#values.clear();
    this.#bytes = 0;
  }

  #keep(text: string, value: Uint8Array | undefined): void {
    this.#drop(text);
    this.#values.set(text, value);
    this.#bytes += text.length + (value?.length ?? 0);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#options.entriesMax && this.#bytes <= this.#options.bytesMax) {
        return;
      }
      this.#drop(oldest);
    }
  }

  #drop(text: string): void {
    if (!this.#values.has(text)) return;
    this.#bytes -= text.length + (this.#values.get(text)?.length ?? 0);
    this.#values.delete(text);
  }
}
