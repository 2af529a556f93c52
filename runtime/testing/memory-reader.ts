// Reads a partition in memory into columns.

import type { PartitionReader, ReadOptions } from '../../broker/index.ts';
import { type RecordBatch, RecordBatchBuilder } from '../../schemas/index.ts';
import { assert, type Clock, OffsetOutOfRangeError } from '../../support/index.ts';
import type { MemoryPartition } from './memory-partition.ts';

export class MemoryReader implements PartitionReader {
  readonly topic: string;
  readonly partition: number;
  position: number;
  end = -1;
  readonly #log: MemoryPartition;
  readonly #clock: Clock;
  readonly #rows = new RecordBatchBuilder();
  #offsets = new Float64Array(256);
  #reading = false;
  #closed = false;

  constructor(log: MemoryPartition, from: number, clock: Clock) {
    this.topic = log.topic;
    this.partition = log.partition;
    this.position = from;
    this.#log = log;
    this.#clock = clock;
  }

  async read({ rowsMax, waitMsMax }: ReadOptions): Promise<RecordBatch> {
    assert(!this.#reading, `Two reads of ${this.topic}-${this.partition} at once.`);
    assert(!this.#closed, `A read of ${this.topic}-${this.partition} after its close.`);
    this.#reading = true;
    try {
      this.#checkRange();
      if (waitMsMax > 0 && this.position === this.#log.end) await this.#appendOr(waitMsMax);
      return this.#take(rowsMax);
    } finally {
      this.#reading = false;
    }
  }

  seek(offset: number): void {
    assert(!this.#reading, `A seek in ${this.topic}-${this.partition} during a read.`);
    this.position = offset;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkRange(): void {
    const { logStart, end } = this.#log;
    this.end = end;
    if (this.position >= logStart && this.position <= end) return;
    throw new OffsetOutOfRangeError(
      `Offset ${this.position} of ${this.topic}-${this.partition} is not in ${logStart}…${end}.`,
    );
  }

  async #appendOr(waitMs: number): Promise<void> {
    const appended = new AbortController();
    this.#log.onAppend(() => appended.abort());
    await this.#clock.sleep(waitMs, appended.signal);
  }

  #take(rowsMax: number): RecordBatch {
    const records = this.#log.from(this.position, rowsMax);
    this.#rows.clear();
    if (records.length > this.#offsets.length) this.#offsets = new Float64Array(records.length * 2);
    for (const [row, { offset, timestamp, key, value, headers }] of records.entries()) {
      this.#offsets[row] = offset;
      this.#rows.append(timestamp, key, value, headers);
    }
    this.end = this.#log.end;
    this.position = records.length < rowsMax ? this.end : records.at(-1)!.offset + 1;
    const { n, bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, headers } =
      this.#rows;
    return {
      ...{ n, bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, headers },
      topic: this.topic,
      partition: this.partition,
      offsets: this.#offsets,
      nextOffset: this.position,
    };
  }
}
