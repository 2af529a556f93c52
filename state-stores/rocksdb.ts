// The default engine: RocksDB. Its block checksums find damaged tables; a damaged tail of its write-ahead log is cut
// off at the last whole batch, which leaves an older, consistent state with its own older checkpoint.
// Writes are not synced to disk: the changelog is the truth, a lost tail is restored from it.

import { mkdir, rm } from 'node:fs/promises';
import RocksDB from 'rocksdb-native';
import { assert } from '../support/index.ts';
import { engineFault } from './engine-faults.ts';
import {
  checkpointKey,
  dataKey,
  dataRange,
  decodeCheckpoint,
  type EngineOptions,
  encodeCheckpoint,
  userKey,
} from './engine-keyspace.ts';
import type {
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreEntry,
  StoreWrite,
} from './state-store.ts';

/** A task's state is small: 64 MiB of write buffer per store, RocksDB's default, would cost more than the data. */
const writeBufferBytes = 8 * 1024 * 1024;
/** For a restore: fewer, larger tables are merged less often, which halves its time (bench/README.md). */
const writeBufferBytesBulk = 64 * 1024 * 1024;
/** Entries an iterator fetches at a time. */
const iteratorEntriesMax = 32;

export class RocksDbStore implements StateStore {
  readonly engine = 'rocksdb';
  readonly name: string;
  readonly #dir: string;
  #db: RocksDB | undefined;
  #opening: Promise<void> | undefined;
  #isBulk = false;

  constructor({ name, dir }: EngineOptions) {
    this.name = name;
    this.#dir = dir;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#get(dataKey(key));
  }

  async *range(options?: RangeOptions): AsyncIterable<StoreEntry> {
    const entries = this.#opened().iterator(dataRange(options), { capacity: iteratorEntriesMax });
    try {
      for await (const { key, value } of entries) yield { key: userKey(key), value };
    } catch (error) {
      throw engineFault(this.name, 'read a range', error);
    }
  }

  async write(writes: readonly StoreWrite[], checkpoint?: StoreCheckpoint): Promise<void> {
    const batch = this.#opened().write({ capacity: writes.length + 1 });
    for (const { key, value } of writes) {
      if (value === null) batch.tryDelete(dataKey(key));
      else batch.tryPut(dataKey(key), value);
    }
    if (checkpoint !== undefined) batch.tryPut(checkpointKey, encodeCheckpoint(checkpoint));
    try {
      await batch.flush();
    } catch (error) {
      throw engineFault(this.name, 'write', error);
    } finally {
      batch.destroy();
    }
  }

  async checkpoint(): Promise<StoreCheckpoint | undefined> {
    const bytes = await this.#get(checkpointKey);
    return bytes === undefined ? undefined : decodeCheckpoint(bytes);
  }

  async setBulk(isBulk: boolean): Promise<void> {
    if (isBulk === this.#isBulk) return;
    await this.close();
    this.#isBulk = isBulk;
    await this.open();
  }

  async wipe(): Promise<void> {
    await this.close();
    await rm(this.#dir, { recursive: true, force: true });
    await this.open();
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    const db = this.#db;
    this.#db = undefined;
    this.#opening = undefined;
    await db?.close();
  }

  async #open(): Promise<void> {
    const db = await this.#openFiles().catch((error: unknown) => {
      this.#opening = undefined;
      throw engineFault(this.name, `open its files in ${this.#dir}`, error);
    });
    this.#db = db;
  }

  async #openFiles(): Promise<RocksDB> {
    await mkdir(this.#dir, { recursive: true });
    const writeBufferSize = this.#isBulk ? writeBufferBytesBulk : writeBufferBytes;
    const db = new RocksDB(this.#dir, { writeBufferSize, maxBackgroundJobs: 2 });
    await db.ready();
    return db;
  }

  async #get(engineKey: Uint8Array): Promise<Uint8Array | undefined> {
    const db = this.#opened();
    try {
      return (await db.get(engineKey)) ?? undefined;
    } catch (error) {
      throw engineFault(this.name, 'read', error);
    }
  }

  #opened(): RocksDB {
    assert(this.#db !== undefined, `Store ${this.name} is not open.`);
    return this.#db;
  }
}
