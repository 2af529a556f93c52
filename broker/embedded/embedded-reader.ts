// Reads one partition of the embedded log: newest records from memory, older ones from the database a chunk at a time,
// the next chunk already on its way while the caller works. Waits for appends without polling.

import {
  type Clock,
  DependencyDownError,
  OffsetOutOfRangeError,
  RetriableError,
} from '../../support/index.ts';
import type { PartitionReader, ReadOptions, TopicPartition } from '../broker.ts';
import { ColumnBuffer } from './column-buffer.ts';
import type { PartitionLog } from './partition-log.ts';
import type { StoredBatch } from './stored-batch.ts';

/** Bytes of one chunk; a reader holds at most two, and what it lent out. */
const chunkBytesMax = 1_048_576;

export interface ReaderOptions {
  readonly partition: TopicPartition;
  readonly from: number;
  readonly clock: Clock;
  /** Finds the partition when it is needed: a topic may be made, or made anew, after its reader. */
  readonly find: (partition: TopicPartition) => PartitionLog;
  readonly onClose: () => void;
}

export class EmbeddedReader implements PartitionReader {
  readonly topic: string;
  readonly partition: number;
  readonly #options: ReaderOptions;
  readonly #columns: ColumnBuffer;
  #log: PartitionLog | undefined;
  #position: number;
  #end = -1;
  #chunk: readonly StoredBatch[] = [];
  #chunkAt = 0;
  #coming: { readonly from: number; readonly chunk: Promise<StoredBatch[]> } | undefined;
  #waiting: AbortController | undefined;
  #closed = false;

  constructor(options: ReaderOptions) {
    this.topic = options.partition.topic;
    this.partition = options.partition.partition;
    this.#options = options;
    this.#columns = new ColumnBuffer(options.partition);
    this.#position = options.from;
  }

  get position(): number {
    return this.#position;
  }

  get end(): number {
    return this.#end;
  }

  async read({ rowsMax, waitMsMax }: ReadOptions): Promise<ColumnBuffer> {
    const log = this.#find();
    this.#assertInRange(log);
    if (this.#position === log.end && waitMsMax > 0) await this.#wait(log, waitMsMax);
    const columns = this.#columns;
    columns.clear(this.#position);
    await this.#fill(log, rowsMax);
    this.#position = columns.nextOffset;
    if (this.#chunkAt === this.#chunk.length) this.#fetchAhead(log);
    return columns;
  }

  seek(offset: number): void {
    this.#position = offset;
    this.#chunk = [];
    this.#chunkAt = 0;
    this.#coming = undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting?.abort();
    this.seek(this.#position);
    this.#options.onClose();
  }

  async #fill(log: PartitionLog, rowsMax: number): Promise<void> {
    const columns = this.#columns;
    const end = log.end;
    this.#end = end;
    if (columns.nextOffset < end && this.#chunkAt === this.#chunk.length) {
      this.#chunk = await this.#fetch(log, columns.nextOffset);
      this.#chunkAt = 0;
      if (this.#chunk.length === 0) columns.nextOffset = end;
    }
    while (this.#chunkAt < this.#chunk.length && columns.n < rowsMax) {
      const batch = this.#chunk[this.#chunkAt]!;
      if (columns.take(batch, rowsMax - columns.n)) this.#chunkAt += 1;
    }
    this.#end = log.end;
  }

  #fetch(log: PartitionLog, from: number): Promise<StoredBatch[]> {
    const coming = this.#coming;
    this.#coming = undefined;
    return coming?.from === from ? coming.chunk : log.fetch(from, chunkBytesMax);
  }

  #fetchAhead(log: PartitionLog): void {
    if (this.#closed || this.#position >= log.end || this.#coming?.from === this.#position) return;
    const chunk = log.fetch(this.#position, chunkBytesMax);
    // Its failure is heard by the read that asks for it; a seek may mean that nobody does.
    chunk.catch(() => {});
    this.#coming = { from: this.#position, chunk };
  }

  #find(): PartitionLog {
    const { find, partition } = this.#options;
    if (this.#closed) {
      throw new DependencyDownError(`The reader of ${this.topic}-${this.partition} is closed.`);
    }
    if (this.#log === undefined || this.#log.deleted) {
      this.seek(this.#position);
      this.#log = find(partition);
    }
    return this.#log;
  }

  #assertInRange(log: PartitionLog): void {
    const position = this.#position;
    if (position >= log.logStart && position <= log.end) return;
    throw new OffsetOutOfRangeError(
      `Offset ${position} of ${log.name} is not in the log, which holds ${log.logStart} to ${log.end}.`,
      { topic: this.topic, partition: this.partition, position, from: log.logStart, end: log.end },
    );
  }

  async #wait(log: PartitionLog, waitMsMax: number): Promise<void> {
    const waiting = new AbortController();
    const end = log.onChange(() => waiting.abort());
    this.#waiting = waiting;
    await this.#options.clock.sleep(waitMsMax, waiting.signal);
    end();
    this.#waiting = undefined;
    if (log.deleted) {
      throw new RetriableError(`Topic ${this.topic} was deleted while it was read.`, {
        topic: this.topic,
      });
    }
  }
}
