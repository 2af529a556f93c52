// What is remembered. Two small contracts:
//
//   StateStore      an engine: bytes to bytes, atomic batches, one checkpoint written in the same batch.
//                   memory, rocksdb (the default) and level keep it; testing/store-contract.ts is run against each.
//   KeyValueStore   what a processor sees: reads go through the overlay of the open transaction to the engine; puts
//                   and deletes stay in the overlay until the commit is confirmed.
//
// Engines only ever hold committed data, with the checkpoint that says how far it goes: nothing is wiped after a crash.

import type { RecordBatch } from '../schemas/index.ts';

export interface StoreEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A put, or a delete when the value is null. */
export interface StoreWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface RangeOptions {
  /** From this key on (inclusive), in unsigned byte order. */
  readonly from?: Uint8Array;
  /** Up to this key (exclusive). */
  readonly to?: Uint8Array;
}

/** Who wrote a store and how far it goes. Kept inside the store, in the same atomic write as the data. */
export interface StoreCheckpoint {
  readonly applicationId: string;
  readonly taskId: string;
  readonly storeName: string;
  readonly schemaVersion: number;
  /** Next changelog offset to restore. */
  readonly changelogOffset: number;
  /** Next input offsets, "topic-partition" → offset, as committed with this state. */
  readonly inputOffsets: Readonly<Record<string, number>>;
  /** The newest event time folded in; absent when there was none. */
  readonly streamTimeMs?: number;
  readonly writtenAtMs: number;
}

export interface StateStore {
  readonly name: string;
  readonly engine: 'memory' | 'rocksdb' | 'level';
  /** Opens or creates. Idempotent. @throws TaskCorruptedError when the files cannot be read. */
  open(): Promise<void>;
  /** @throws TaskCorruptedError when a checksum does not match. */
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Entries in unsigned byte order of their keys, over a consistent snapshot. */
  range(options?: RangeOptions): AsyncIterable<StoreEntry>;
  /** All or nothing, in order; a later write to a key wins. The checkpoint, when given, is part of it. */
  write(writes: readonly StoreWrite[], checkpoint?: StoreCheckpoint): Promise<void>;
  checkpoint(): Promise<StoreCheckpoint | undefined>;
  /** Makes ready for many writes in a row, or ends that; what is stored stays. An engine that gains nothing has none. */
  setBulk?(isBulk: boolean): Promise<void>;
  /** Removes everything, files included. The store is open and empty afterwards. */
  wipe(): Promise<void>;
  /** Idempotent. Every other method fails afterwards until `open`. */
  close(): Promise<void>;
}

export interface KeyValueStore {
  readonly name: string;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  range(options?: RangeOptions): AsyncIterable<StoreEntry>;
  /** Visible to this task's reads at once, to everybody else after the commit. Copies nothing: hand over the arrays. */
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}

/** A read-only cache of a whole topic, kept by every process; filled from the topic's start before tasks run. */
export interface GlobalStore {
  readonly name: string;
  /** Takes in the next records of the topic, in order. */
  apply(batch: RecordBatch): void;
}

export interface StoreDefinition {
  readonly name: string;
  /** Rises when the meaning of the stored bytes changes; a store of another version is rebuilt. */
  readonly schemaVersion: number;
}
