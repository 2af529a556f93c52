// Records as columns. One arena of bytes holds keys and values of all rows; the columns say where each begins and ends.
//
//   bytes       ....kkkkvvvvvvvvkkkkvvvv....      keys and values of all rows, in any order
//   keyStarts   [ 4, 16, … ]   keyEnds   [ 8, 20, … ]      end −1: the key is null
//   valueStarts [ 8, 20, … ]   valueEnds [16, 24, … ]      end −1: the value is null (a tombstone)
//   timestamps  milliseconds since 1970, −1 when unknown
//   headers     only rows that have some: row → headers
//
// A batch read from a log belongs to its reader: copy what must outlive the next read.

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Columns of `n` records. Arrays may be longer than `n`. */
export interface RecordColumns {
  readonly n: number;
  readonly bytes: Uint8Array;
  readonly keyStarts: Int32Array;
  readonly keyEnds: Int32Array;
  readonly valueStarts: Int32Array;
  readonly valueEnds: Int32Array;
  readonly timestamps: Float64Array;
  readonly headers: ReadonlyMap<number, readonly RecordHeader[]>;
}

/** Records of one partition in offset order, as read from the log. Offsets may have gaps (compaction, aborts). */
export interface RecordBatch extends RecordColumns {
  readonly topic: string;
  readonly partition: number;
  readonly offsets: Float64Array;
  /** Where reading goes on: one past the last offset covered, also when nothing of it was visible. */
  readonly nextOffset: number;
}

export function recordKey(batch: RecordColumns, row: number): Uint8Array | null {
  const end = batch.keyEnds[row]!;
  return end < 0 ? null : batch.bytes.subarray(batch.keyStarts[row]!, end);
}

export function recordValue(batch: RecordColumns, row: number): Uint8Array | null {
  const end = batch.valueEnds[row]!;
  return end < 0 ? null : batch.bytes.subarray(batch.valueStarts[row]!, end);
}

const noHeaders: readonly RecordHeader[] = [];

export function recordHeaders(batch: RecordColumns, row: number): readonly RecordHeader[] {
  return batch.headers.get(row) ?? noHeaders;
}

/** Collects records for one partition. Grows by doubling; `clear` keeps the memory for the next batch. */
export class RecordBatchBuilder implements RecordColumns {
  n = 0;
  bytes: Uint8Array;
  keyStarts: Int32Array;
  keyEnds: Int32Array;
  valueStarts: Int32Array;
  valueEnds: Int32Array;
  timestamps: Float64Array;
  readonly headers = new Map<number, readonly RecordHeader[]>();
  /** Bytes of the arena in use. */
  size = 0;

  constructor(rows = 256, bytes = 16_384) {
    this.bytes = new Uint8Array(bytes);
    this.keyStarts = new Int32Array(rows);
    this.keyEnds = new Int32Array(rows);
    this.valueStarts = new Int32Array(rows);
    this.valueEnds = new Int32Array(rows);
    this.timestamps = new Float64Array(rows);
  }

  append(
    timestampMs: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] = noHeaders,
  ): void {
    this.#reserve((key?.length ?? 0) + (value?.length ?? 0));
    const row = this.n;
    this.timestamps[row] = timestampMs;
    this.keyStarts[row] = this.size;
    this.keyEnds[row] = this.#copyIn(key);
    this.valueStarts[row] = this.size;
    this.valueEnds[row] = this.#copyIn(value);
    if (headers.length > 0) this.headers.set(row, headers);
    this.n = row + 1;
  }

  /**
   * Begins a record whose value the caller writes in place: returns the arena offset at which up to
   * `valueBytesMax` bytes may be written into `bytes` (read the field again: it may have moved). End with `endValue`.
   */
  beginValue(timestampMs: number, key: Uint8Array | null, valueBytesMax: number): number {
    this.#reserve((key?.length ?? 0) + valueBytesMax);
    const row = this.n;
    this.timestamps[row] = timestampMs;
    this.keyStarts[row] = this.size;
    this.keyEnds[row] = this.#copyIn(key);
    this.valueStarts[row] = this.size;
    return this.size;
  }

  /** As `beginValue`, with timestamp and key of a row of another batch. */
  beginValueOf(source: RecordColumns, sourceRow: number, valueBytesMax: number): number {
    const { bytes, keyStarts, keyEnds, timestamps } = source;
    const start = keyStarts[sourceRow]!;
    const end = keyEnds[sourceRow]!;
    this.#reserve(Math.max(0, end - start) + valueBytesMax);
    const row = this.n;
    this.timestamps[row] = timestamps[sourceRow]!;
    this.keyStarts[row] = this.size;
    for (let i = start; i < end; i++) this.bytes[this.size++] = bytes[i]!;
    this.keyEnds[row] = end < 0 ? -1 : this.size;
    this.valueStarts[row] = this.size;
    return this.size;
  }

  endValue(valueBytes: number): void {
    this.size += valueBytes;
    this.valueEnds[this.n] = this.size;
    this.n += 1;
  }

  /** Takes in rows that the caller has written behind the last, arena and columns: the arena now ends with their values. */
  endRows(rows: number): void {
    this.n += rows;
    this.size = this.valueEnds[this.n - 1]!;
  }

  clear(): void {
    this.n = 0;
    this.size = 0;
    this.headers.clear();
  }

  #copyIn(field: Uint8Array | null): number {
    if (field === null) return -1;
    this.bytes.set(field, this.size);
    this.size += field.length;
    return this.size;
  }

  #reserve(bytes: number): void {
    if (this.n === this.timestamps.length) {
      const rows = this.n * 2;
      this.keyStarts = grown(this.keyStarts, new Int32Array(rows));
      this.keyEnds = grown(this.keyEnds, new Int32Array(rows));
      this.valueStarts = grown(this.valueStarts, new Int32Array(rows));
      this.valueEnds = grown(this.valueEnds, new Int32Array(rows));
      this.timestamps = grown(this.timestamps, new Float64Array(rows));
    }
    if (this.size + bytes > this.bytes.length) {
      const capacity = Math.max(this.bytes.length * 2, this.size + bytes);
      this.bytes = grown(this.bytes, new Uint8Array(capacity));
    }
  }
}

function grown<T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
