// The columns a reader fills from stored batches and lends out, one read at a time. Grows, never shrinks.

import type { RecordBatch, RecordHeader } from '../../schemas/index.ts';
import type { TopicPartition } from '../broker.ts';
import { type StoredBatch, storedColumns } from './stored-batch.ts';
import { readHeaders } from './stored-headers.ts';

export class ColumnBuffer implements RecordBatch {
  readonly topic: string;
  readonly partition: number;
  readonly headers = new Map<number, readonly RecordHeader[]>();
  n = 0;
  nextOffset = 0;
  bytes = new Uint8Array(65_536);
  keyStarts = new Int32Array(1024);
  keyEnds = new Int32Array(1024);
  valueStarts = new Int32Array(1024);
  valueEnds = new Int32Array(1024);
  timestamps = new Float64Array(1024);
  offsets = new Float64Array(1024);
  #size = 0;

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
  }

  clear(nextOffset: number): void {
    this.n = 0;
    this.#size = 0;
    this.nextOffset = nextOffset;
    this.headers.clear();
  }

  /**
   * Adds the rows of a stored batch from `nextOffset` on, as many as `rowsMax` allows, and moves `nextOffset` past
   * what it covered.
   * @returns whether the batch was read to its end.
   */
  take(stored: StoredBatch, rowsMax: number): boolean {
    const columns = storedColumns(stored);
    const { keyLengths, valueLengths, offsetDeltas } = columns;
    const first = firstRow(stored, offsetDeltas, this.nextOffset);
    const last = Math.min(stored.rows, first + rowsMax);
    const dataStart = dataBytes(keyLengths, valueLengths, 0, first);
    const dataEnd = dataStart + dataBytes(keyLengths, valueLengths, first, last);
    this.#reserve(last - first, dataEnd - dataStart);
    this.bytes.set(columns.data.subarray(dataStart, dataEnd), this.#size);
    this.timestamps.set(columns.timestamps.subarray(first, last), this.n);
    this.#bounds(keyLengths, valueLengths, first, last);
    this.#numbers(stored.baseOffset, offsetDeltas, first, last);
    if (columns.headers.length > 0) this.#headersOf(columns.headers, first, last);
    this.n += last - first;
    const whole = last === stored.rows;
    this.nextOffset = whole ? stored.nextOffset : this.offsets[this.n - 1]! + 1;
    return whole;
  }

  #bounds(keyLengths: Int32Array, valueLengths: Int32Array, first: number, last: number): void {
    const { keyStarts, keyEnds, valueStarts, valueEnds } = this;
    let at = this.#size;
    let to = this.n;
    for (let row = first; row < last; row++) {
      const key = keyLengths[row]!;
      const value = valueLengths[row]!;
      keyStarts[to] = at;
      if (key >= 0) at += key;
      keyEnds[to] = key < 0 ? -1 : at;
      valueStarts[to] = at;
      if (value >= 0) at += value;
      valueEnds[to] = value < 0 ? -1 : at;
      to += 1;
    }
    this.#size = at;
  }

  #numbers(base: number, deltas: Int32Array | undefined, first: number, last: number): void {
    const { offsets } = this;
    let to = this.n;
    for (let row = first; row < last; row++) {
      offsets[to] = base + (deltas === undefined ? row : deltas[row]!);
      to += 1;
    }
  }

  #headersOf(stored: Uint8Array, first: number, last: number): void {
    readHeaders(stored, (row, headers) => {
      if (row >= first && row < last) this.headers.set(this.n + row - first, headers);
    });
  }

  #reserve(rows: number, bytes: number): void {
    const rowsAll = this.n + rows;
    if (rowsAll > this.timestamps.length) {
      const capacity = Math.max(rowsAll, this.timestamps.length * 2);
      this.keyStarts = grown(this.keyStarts, new Int32Array(capacity), this.n);
      this.keyEnds = grown(this.keyEnds, new Int32Array(capacity), this.n);
      this.valueStarts = grown(this.valueStarts, new Int32Array(capacity), this.n);
      this.valueEnds = grown(this.valueEnds, new Int32Array(capacity), this.n);
      this.timestamps = grown(this.timestamps, new Float64Array(capacity), this.n);
      this.offsets = grown(this.offsets, new Float64Array(capacity), this.n);
    }
    const bytesAll = this.#size + bytes;
    if (bytesAll > this.bytes.length) {
      const capacity = Math.max(bytesAll, this.bytes.length * 2);
      this.bytes = grown(this.bytes, new Uint8Array(capacity), this.#size);
    }
  }
}

function firstRow(stored: StoredBatch, deltas: Int32Array | undefined, offset: number): number {
  const delta = offset - stored.baseOffset;
  if (delta <= 0) return 0;
  if (deltas === undefined) return Math.min(delta, stored.rows);
  let low = 0;
  let high = stored.rows;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (deltas[middle]! < delta) low = middle + 1;
    else high = middle;
  }
  return low;
}

function dataBytes(
  keyLengths: Int32Array,
  valueLengths: Int32Array,
  first: number,
  last: number,
): number {
  let sum = 0;
  for (let row = first; row < last; row++) {
    if (keyLengths[row]! > 0) sum += keyLengths[row]!;
    if (valueLengths[row]! > 0) sum += valueLengths[row]!;
  }
  return sum;
}

function grown<T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T, used: number): T {
  to.set(from.subarray(0, used));
  return to;
}
