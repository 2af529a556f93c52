// An engine without files, for tests and for tasks that may rebuild from their changelog at every start. It forgets
// everything when it is closed.

import { assert } from '../support/index.ts';
import type {
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreEntry,
  StoreWrite,
} from './state-store.ts';

/** Keys as latin1 text: comparing such strings is comparing their bytes, unsigned. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export function keyBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export class MemoryStore implements StateStore {
  readonly engine = 'memory';
  readonly name: string;
  #values: Map<string, Uint8Array> | undefined;
  #checkpoint: StoreCheckpoint | undefined;

  constructor({ name }: { readonly name: string }) {
    this.name = name;
  }

  async open(): Promise<void> {
    this.#values ??= new Map();
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const value = this.#opened().get(keyText(key));
    return value === undefined ? undefined : new Uint8Array(value);
  }

  async *range({ from, to }: RangeOptions = {}): AsyncIterable<StoreEntry> {
    const start = from === undefined ? '' : keyText(from);
    const end = to === undefined ? undefined : keyText(to);
    const snapshot = [...this.#opened()]
      .filter(([key]) => key >= start && (end === undefined || key < end))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of snapshot) yield { key: keyBytes(key), value: new Uint8Array(value) };
  }

  async write(writes: readonly StoreWrite[], checkpoint?: StoreCheckpoint): Promise<void> {
    const values = this.#opened();
    for (const { key, value } of writes) {
      if (value === null) values.delete(keyText(key));
      else values.set(keyText(key), new Uint8Array(value));
    }
    if (checkpoint !== undefined) this.#checkpoint = structuredClone(checkpoint);
  }

  async checkpoint(): Promise<StoreCheckpoint | undefined> {
    this.#opened();
    return this.#checkpoint;
  }

  async wipe(): Promise<void> {
    this.#values = new Map();
    this.#checkpoint = undefined;
  }

  async close(): Promise<void> {
    this.#values = undefined;
    this.#checkpoint = undefined;
  }

  #opened(): Map<string, Uint8Array> {
    assert(this.#values !== undefined, `Store ${this.name} is not open.`);
    return this.#values;
  }
}
