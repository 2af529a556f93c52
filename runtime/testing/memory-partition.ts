// One partition of the log in memory: records in offset order, with gaps where the cleaner took some.

import {
  type RecordColumns,
  type RecordHeader,
  recordHeaders,
  recordKey,
  recordValue,
} from '../../schemas/index.ts';
import { RecordTooLargeError } from '../../support/index.ts';

export interface LogRecord {
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp: number;
  readonly headers: readonly RecordHeader[];
}

export class MemoryPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #bytesMax: number;
  #records: LogRecord[] = [];
  #waiting: (() => void)[] = [];
  logStart = 0;
  end = 0;

  constructor(topic: string, partition: number, bytesMax: number) {
    this.topic = topic;
    this.partition = partition;
    this.#bytesMax = bytesMax;
  }

  /** @throws RecordTooLargeError before anything of a transaction is applied. */
  check(records: RecordColumns): void {
    for (let row = 0; row < records.n; row++) {
      const key = recordKey(records, row)?.length ?? 0;
      const bytes = key + (recordValue(records, row)?.length ?? 0);
      if (bytes <= this.#bytesMax) continue;
      throw new RecordTooLargeError(
        `A record of ${bytes} bytes for ${this.topic}-${this.partition} does not fit into the ${this.#bytesMax} that the topic takes; raise its max.message.bytes, or send less.`,
        { topic: this.topic, partition: this.partition, row, size: bytes, limit: this.#bytesMax },
      );
    }
  }

  append(records: RecordColumns): number {
    const baseOffset = this.end;
    for (let row = 0; row < records.n; row++) {
      this.#records.push({
        offset: baseOffset + row,
        key: recordKey(records, row)?.slice() ?? null,
        value: recordValue(records, row)?.slice() ?? null,
        timestamp: records.timestamps[row]!,
        headers: recordHeaders(records, row),
      });
    }
    this.end = baseOffset + records.n;
    if (records.n > 0) this.wake();
    return baseOffset;
  }

  /** Records from an offset on, in order. */
  from(offset: number, rowsMax: number): readonly LogRecord[] {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#records[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return this.#records.slice(low, low + rowsMax);
  }

  /** Forgets what is older, as retention does. */
  trim(logStart: number): void {
    this.logStart = logStart;
    this.#records = this.#records.filter((record) => record.offset >= logStart);
  }

  /** Keeps the newest record of each key, as the cleaner does; offsets keep their gaps. */
  compact(): void {
    const newest = new Map(this.#records.map((record) => [keyOf(record), record]));
    this.#records = this.#records.filter((record) => newest.get(keyOf(record)) === record);
  }

  /** Calls back at the next append, once. */
  onAppend(callback: () => void): void {
    this.#waiting.push(callback);
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}

function keyOf({ key, offset }: LogRecord): string {
  return key === null ? `offset ${offset}` : `key ${Buffer.from(key).toString('hex')}`;
}
