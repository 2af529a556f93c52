// One partition: where it begins and ends, its newest batches in memory, and who waits for more.
//
//   logStart …… stored batches …… end …… handed in, not yet written …… assigned
//
// Offsets are given when records are handed in; readers see them when the write that holds them is in the database.

import { FatalError } from '../../support/index.ts';
import type { TopicPartition } from '../broker.ts';
import type { LogDatabase, Operation } from './log-database.ts';
import { batchKey, boundsKey, offsetOfBatchKey } from './log-keys.ts';
import { type EncodedBatch, openStored, type StoredBatch, storedAt } from './stored-batch.ts';

/** What is stored beside the batches. */
export interface Bounds {
  readonly logStart: number;
  readonly end: number;
  /** Bytes of the stored batches. */
  readonly bytes: number;
  /** Compaction has seen every record before this offset. */
  readonly cleanedTo: number;
  /** Compaction may have taken out whole batches before this offset; after it, none may be missing. */
  readonly gapsTo: number;
  /** Bytes of the stored batches before `cleanedTo`. */
  readonly cleanedBytes: number;
}

export interface Appended {
  readonly baseOffset: number;
  readonly operations: Operation[];
  /** Shows the records to readers. */
  readonly apply: () => void;
}

/** Newest batches kept in memory, so that readers at the end never touch the disk. */
const recentBytesMax = 4 * 1_048_576;
/** Batches of one fetch. */
const fetchBatchesMax = 1024;

const noBounds: Bounds = {
  logStart: 0,
  end: 0,
  bytes: 0,
  cleanedTo: 0,
  gapsTo: 0,
  cleanedBytes: 0,
};

export class PartitionLog implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #number: number;
  readonly #database: LogDatabase;
  readonly #listeners = new Set<() => void>();
  /** As of the last write handed in. */
  #assigned: Bounds;
  #logStart: number;
  #end: number;
  #recent: StoredBatch[] = [];
  #recentBytes = 0;
  #deleted = false;

  constructor(
    at: TopicPartition & { readonly number: number },
    database: LogDatabase,
    bounds: Bounds = noBounds,
  ) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.#number = at.number;
    this.#database = database;
    this.#assigned = bounds;
    this.#logStart = bounds.logStart;
    this.#end = bounds.end;
  }

  get logStart(): number {
    return this.#logStart;
  }

  get end(): number {
    return this.#end;
  }

  get deleted(): boolean {
    return this.#deleted;
  }

  get bounds(): Bounds {
    return this.#assigned;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  /** Gives offsets to encoded records. The operations must be handed in before anything else happens. */
  append(batches: readonly EncodedBatch[]): Appended {
    const baseOffset = this.#assigned.end;
    const stored: StoredBatch[] = [];
    let end = baseOffset;
    let bytes = this.#assigned.bytes;
    for (const batch of batches) {
      stored.push(storedAt(batch, end));
      end += batch.rows;
      bytes += batch.bytes.length;
    }
    const operations: Operation[] = stored.map((batch) => this.putBatch(batch));
    operations.push(this.move({ end, bytes }));
    return { baseOffset, operations, apply: () => this.#show(stored, end) };
  }

  putBatch({ baseOffset, bytes }: { baseOffset: number; bytes: Uint8Array }): Operation {
    return { type: 'put', key: batchKey(this.#number, this.partition, baseOffset), value: bytes };
  }

  deleteBatch({ baseOffset }: StoredBatch): Operation {
    return { type: 'del', key: batchKey(this.#number, this.partition, baseOffset) };
  }

  /** Changes the stored bounds; the operation must be handed in before anything else happens. */
  move(change: Partial<Bounds>): Operation {
    this.#assigned = { ...this.#assigned, ...change };
    const value = new TextEncoder().encode(JSON.stringify(this.#assigned));
    return { type: 'put', key: boundsKey(this.#number, this.partition), value };
  }

  /** After stored batches were rewritten or deleted. */
  rewritten(): void {
    this.#logStart = this.#assigned.logStart;
    this.#recent = [];
    this.#recentBytes = 0;
  }

  /** The batches from the one that covers `offset` on, about `bytesMax` of them, none of them past the end. */
  async fetch(offset: number, bytesMax: number): Promise<StoredBatch[]> {
    const end = this.#end;
    if (this.#recent.length > 0 && this.#recent[0]!.baseOffset <= offset) {
      return this.#fetchRecent(offset, bytesMax);
    }
    const range = {
      gte: batchKey(this.#number, this.partition, offset),
      lt: batchKey(this.#number, this.partition, end),
    };
    const found = (await this.#database.read(range, bytesMax, fetchBatchesMax)).map((entry) =>
      openStored(entry.value, offsetOfBatchKey(entry.key), this.name),
    );
    if (found[0]?.baseOffset === offset) return this.#whole(found, offset, end);
    const before = await this.#before(offset);
    if (before !== undefined && before.nextOffset > offset) found.unshift(before);
    return this.#whole(found, offset, end);
  }

  /** Calls back when records are shown or the partition is gone. @returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  delete(): void {
    this.#deleted = true;
    for (const listener of [...this.#listeners]) listener();
  }

  #show(stored: readonly StoredBatch[], end: number): void {
    this.#end = end;
    for (const batch of stored) {
      this.#recent.push(batch);
      this.#recentBytes += batch.bytes.length;
    }
    if (this.#recentBytes > recentBytesMax) this.#forgetOldest();
    for (const listener of [...this.#listeners]) listener();
  }

  /** A quarter at a time: moving the rest down for every small batch would cost more than the memory. */
  #forgetOldest(): void {
    let drop = 0;
    while (this.#recentBytes > recentBytesMax * 0.75 && drop < this.#recent.length) {
      this.#recentBytes -= this.#recent[drop]!.bytes.length;
      drop += 1;
    }
    this.#recent.splice(0, drop);
  }

  #fetchRecent(offset: number, bytesMax: number): StoredBatch[] {
    let low = 0;
    let high = this.#recent.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#recent[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    let to = low;
    for (let size = 0; to < this.#recent.length && size < bytesMax; to++) {
      size += this.#recent[to]!.bytes.length;
    }
    return this.#recent.slice(low, Math.min(to, low + fetchBatchesMax));
  }

  /** LevelDB skips damaged stretches of its files without a word; a missing batch is noticed here. */
  #whole(found: StoredBatch[], offset: number, end: number): StoredBatch[] {
    let expected = offset;
    for (const { baseOffset, nextOffset } of found) {
      this.#assertNoneMissing(expected, baseOffset);
      expected = nextOffset;
    }
    if (found.length === 0) this.#assertNoneMissing(expected, end);
    return found;
  }

  #assertNoneMissing(from: number, to: number): void {
    if (to <= Math.max(from, this.#assigned.gapsTo, this.#logStart)) return;
    throw new FatalError(
      `Records ${from} to ${to} of ${this.name} are missing in the embedded log; the data folder is damaged: restore it or delete it.`,
      { topic: this.topic, partition: this.partition, from, to },
    );
  }

  async #before(offset: number): Promise<StoredBatch | undefined> {
    const entry = await this.#database.last({
      gte: batchKey(this.#number, this.partition, 0),
      lt: batchKey(this.#number, this.partition, offset),
    });
    if (entry === undefined) return undefined;
    return openStored(entry.value, offsetOfBatchKey(entry.key), this.name);
  }
}
