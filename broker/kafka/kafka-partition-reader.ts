// Reads one partition in offset order. Fetched bytes wait in a short queue and are decoded when they are read, straight
// into columns that point into them; decompressed batches are gathered in an arena of the reader.

import type { RecordBatch } from '../../schemas/index.ts';
import { FatalError, MeanstreamError } from '../../support/index.ts';
import type { PartitionReader, ReaderOptions, ReadOptions, TopicPartition } from '../broker.ts';
import type { Connections } from './connections.ts';
import type { FetchedPartition } from './fetch-request.ts';
import { CrcMismatch, FetchedChunk, type VisibleBatch } from './fetched-chunk.ts';
import type { FetchSlot, PartitionFetcher } from './partition-fetcher.ts';
import { ReadRows } from './read-rows.ts';
import { decodeRecords, type RecordCursor } from './record-batch-decoder.ts';

const chunksMax = 2;
const fetchBytesMin = 1_048_576;
/**
 * For a reader whose memory comes back: so much is at hand when a transaction has kept it waiting. With what is around it, it
 * fits into 4 MiB of memory that is used again (answers-beside.ts).
 */
const fetchBytesReused = 4 * 1_048_576 - 8_192;
const fetchBytesMax = 64 * 1_048_576;

export class KafkaPartitionReader implements PartitionReader, FetchSlot {
  readonly topic: string;
  readonly partition: number;
  readonly #connections: Connections;
  readonly #fetcher: PartitionFetcher;
  readonly #rows: ReadRows;
  readonly #reusesMemory: boolean;
  #position: number;
  #end = -1;
  #chunks: FetchedChunk[] = [];
  /** Gone through; the rows read last may still be views of them. */
  #spent: FetchedChunk[] = [];
  #open: VisibleBatch | undefined;
  #arena: Buffer = Buffer.alloc(0);
  #arenaSize = 0;
  #failure: Error | undefined;
  #crcFailedAt = -1;
  #arrived: (() => void) | undefined;
  #closed = false;
  fetchGeneration = 0;
  fetchOffset: number;
  fetchBytesMax: number;

  constructor(
    { topic, partition }: TopicPartition,
    from: number,
    connections: Connections,
    fetcher: PartitionFetcher,
    { reusesMemory = false }: ReaderOptions = {},
  ) {
    this.#reusesMemory = reusesMemory;
    this.fetchBytesMax = reusesMemory ? fetchBytesReused : fetchBytesMin;
    this.topic = topic;
    this.partition = partition;
    this.#connections = connections;
    this.#fetcher = fetcher;
    this.#rows = new ReadRows(topic, partition);
    this.#position = from;
    this.fetchOffset = from;
    fetcher.add(this);
  }

  get position(): number {
    return this.#position;
  }

  get end(): number {
    return this.#end;
  }

  get isHungry(): boolean {
    return !this.#closed && this.#failure === undefined && this.#chunks.length < chunksMax;
  }

  async read({ rowsMax, waitMsMax }: ReadOptions): Promise<RecordBatch> {
    const { clock } = this.#connections;
    const deadlineMs = clock.monotonicMs() + waitMsMax;
    this.#rows.clear();
    if (this.#reusesMemory) for (const chunk of this.#spent) chunk.release();
    this.#spent = [];
    for (;;) {
      await this.#gather(rowsMax);
      if (this.#rows.n > 0 || this.#closed || this.#failure !== undefined) break;
      const waitMs = deadlineMs - clock.monotonicMs();
      if (waitMs <= 0) break;
      await this.#arrival(waitMs);
    }
    if (this.#rows.n === 0 && this.#failure !== undefined) throw this.#failure;
    this.#rows.nextOffset = this.#position;
    return this.#rows;
  }

  seek(offset: number): void {
    this.#position = offset;
    this.#failure = undefined;
    this.#refetch();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#fetcher.remove(this);
    this.#chunks = [];
    this.#arrived?.();
  }

  onFetched(fetched: FetchedPartition): void {
    this.#end = fetched.lastStableOffset;
    try {
      const chunk = new FetchedChunk(fetched, this.fetchOffset);
      if (chunk.hasBatches) {
        this.#chunks.push(chunk);
        this.fetchOffset = chunk.nextOffset;
      } else {
        if (chunk.cutBatchBytes > 0) this.#askForMore(chunk.cutBatchBytes);
        fetched.release();
      }
    } catch (error) {
      this.#failure = this.#damaged(error);
    }
    this.#arrived?.();
  }

  onFailed(error: Error): void {
    this.#failure = error;
    this.#arrived?.();
  }

  /** Fills the rows from what has been fetched, and passes over everything behind them that gives no rows. */
  async #gather(rowsMax: number): Promise<void> {
    const rows = this.#rows;
    this.#rewindArena();
    try {
      for (;;) {
        this.#open ??= await this.#nextVisible();
        const open = this.#open;
        if (open === undefined || rows.n >= rowsMax) return;
        const cursor = open.isCopy ? this.#inArena(open) : open.cursor;
        if (rows.n > 0 && rows.bytes !== cursor.bytes) return;
        rows.bytes = cursor.bytes;
        decodeRecords(cursor, rows, rowsMax, this.#position);
        if (cursor.left === 0) {
          this.#position = open.nextOffset;
          this.#open = undefined;
        } else if (rows.n > 0) this.#position = rows.offsets[rows.n - 1]! + 1;
      }
    } catch (error) {
      this.#onDamage(error);
    }
  }

  async #nextVisible(): Promise<VisibleBatch | undefined> {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const generation = this.fetchGeneration;
      const found = chunk.nextVisible(this.#position, (nextOffset) => {
        this.#position = Math.max(this.#position, nextOffset);
      });
      const visible = found instanceof Promise ? await found : found;
      if (generation !== this.fetchGeneration) return undefined;
      if (visible !== undefined) return visible;
      this.#spent.push(chunk);
      this.#chunks.shift();
      this.#fetcher.wake();
    }
  }

  /** Decompressed batches of one read stand in our arena one after the other, when nothing else has been read yet. */
  #inArena(open: VisibleBatch): RecordCursor {
    const { cursor } = open;
    const isFree = this.#rows.n === 0 || this.#rows.bytes === this.#arena;
    if (cursor.bytes === this.#arena || !isFree) return cursor;
    const start = this.#arenaSize;
    this.#arenaSize += cursor.end - cursor.at;
    if (this.#arenaSize > this.#arena.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#arena.length * 2, this.#arenaSize));
      this.#arena.copy(grown, 0, 0, start);
      this.#arena = grown;
      if (this.#rows.n > 0) this.#rows.bytes = grown;
    }
    cursor.bytes.copy(this.#arena, start, cursor.at, cursor.end);
    const moved = { ...cursor, bytes: this.#arena, at: start, end: this.#arenaSize };
    this.#open = { ...open, cursor: moved };
    return moved;
  }

  /** At the start of a read the arena holds no more than the rest of a batch that is half read. */
  #rewindArena(): void {
    const open = this.#open;
    this.#arenaSize = 0;
    if (open === undefined || open.cursor.bytes !== this.#arena) return;
    const { at, end } = open.cursor;
    this.#arena.copyWithin(0, at, end);
    this.#arenaSize = end - at;
    this.#open = { ...open, cursor: { ...open.cursor, at: 0, end: this.#arenaSize } };
  }

  #askForMore(bytes: number): void {
    if (this.fetchBytesMax >= fetchBytesMax) {
      this.#failure = this.#damaged(new RangeError(`a batch of ${bytes} bytes`));
    }
    this.fetchBytesMax = Math.min(fetchBytesMax, Math.max(bytes, this.fetchBytesMax * 2));
  }

  /** A wrong checksum may be the network's doing: the same bytes are fetched once more. */
  #onDamage(error: unknown): void {
    this.#open = undefined;
    if (error instanceof CrcMismatch && this.#crcFailedAt !== this.#position) {
      this.#crcFailedAt = this.#position;
      this.#failure = undefined;
      this.#connections.logger.warn(
        { topic: this.topic, partition: this.partition, offset: this.#position },
        'A record batch arrived damaged; it is fetched again.',
      );
      this.#refetch();
    } else this.#failure = this.#damaged(error);
  }

  #damaged(cause: unknown): Error {
    if (cause instanceof MeanstreamError) return cause;
    const { topic, partition } = this;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new FatalError(
      `Topic ${topic} partition ${partition} cannot be read at offset ${this.#position}: ${reason}. Nothing is skipped; repair the partition, or move the position past it by hand.`,
      { cause, topic, partition, offset: this.#position },
    );
  }

  #refetch(): void {
    this.fetchGeneration += 1;
    this.#spent.push(...this.#chunks);
    this.#chunks = [];
    this.#open = undefined;
    this.fetchOffset = this.#position;
    this.#fetcher.wake();
  }

  /** A timer that is stopped: a sleep that is ended would make an AbortController at each wait. */
  #arrival(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        stop();
        this.#arrived = undefined;
        resolve();
      };
      const stop = this.#connections.clock.every(waitMs, wake);
      this.#arrived = wake;
    });
  }
}
