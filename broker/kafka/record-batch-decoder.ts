// From the bytes of record batches to columns, without an object per record. Every length is checked against the bytes
// left, so damaged input gives an error and never a record that was not written.

import { type NativeCodec, nativeCodec, type RecordHeader } from '../../schemas/index.ts';
import type { ReadRows } from './read-rows.ts';
import { crcOf } from './record-batch-crc.ts';
import { attributeBits, layout, lengthPrefixBytes } from './record-batch-layout.ts';

const twoTo32 = 4_294_967_296;

/** What a batch says of itself. */
export interface BatchHeader {
  readonly start: number;
  /** One past its last byte. */
  readonly end: number;
  readonly baseOffset: number;
  /** Also of records that compaction has removed: so the next batch begins at lastOffset + 1 or later. */
  readonly lastOffset: number;
  readonly codec: number;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly baseTimestamp: number;
  /** The timestamp of all records when the log gives it, else −1. */
  readonly logAppendTime: number;
  readonly producerId: number;
  readonly recordCount: number;
}

/** Bytes the batch at `start` takes, 0 when not even its length is there. */
export function batchBytes(bytes: Buffer, start: number): number {
  if (bytes.length - start < lengthPrefixBytes) return 0;
  return lengthPrefixBytes + bytes.readInt32BE(start + layout.batchLength);
}

/**
 * @returns undefined when the batch is cut: a fetch may end in the middle of one.
 * @throws RangeError when the header cannot be one.
 */
export function readBatchHeader(bytes: Buffer, start: number): BatchHeader | undefined {
  const size = batchBytes(bytes, start);
  if (size === 0) return undefined;
  if (size < lengthPrefixBytes) throw new RangeError(`a batch of ${size} bytes`);
  if (size > bytes.length - start) return undefined;
  const magic = bytes[start + layout.magic];
  if (magic !== 2) throw new RangeError(`record format ${magic}; only 2 can be read`);
  if (size < layout.records) throw new RangeError(`a batch of ${size} bytes`);
  const attributes = bytes.readInt16BE(start + layout.attributes);
  const baseOffset = int64(bytes, start);
  const has = (bit: number) => (attributes & bit) !== 0;
  return {
    start,
    end: start + size,
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(start + layout.lastOffsetDelta),
    codec: attributes & attributeBits.codec,
    transactional: has(attributeBits.transactional),
    control: has(attributeBits.control),
    baseTimestamp: int64(bytes, start + layout.baseTimestamp),
    logAppendTime: has(attributeBits.logAppendTime)
      ? int64(bytes, start + layout.maxTimestamp)
      : -1,
    producerId: int64(bytes, start + layout.producerId),
    recordCount: bytes.readInt32BE(start + layout.recordCount),
  };
}

export function crcMatches(bytes: Buffer, { start, end }: BatchHeader): boolean {
  const expected = bytes.readUInt32BE(start + layout.crc);
  return crcOf(bytes, start + layout.attributes, end) === expected;
}

/** True for an abort marker, false for a commit marker or one of another kind. */
export function isAbortMarker(bytes: Buffer, header: BatchHeader): boolean {
  const end = header.end;
  let at = header.start + layout.records;
  readVarint(bytes, at);
  at = next + 1;
  readVarlong(bytes, at);
  readVarint(bytes, next);
  const keyLength = readVarint(bytes, next);
  if (keyLength < 4 || keyLength > end - next)
    throw new RangeError('a control record without type');
  return bytes.readInt16BE(next + 2) === 0;
}

/** Where decoding stands inside the (uncompressed) records of one batch. */
export interface RecordCursor {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  /** Records not yet read. */
  left: number;
  readonly baseOffset: number;
  readonly baseTimestamp: number;
  readonly logAppendTime: number;
}

/** Where reading stands: place in the bytes, records left, rows. Of the module: used within one call. */
const state = new Float64Array(3);

/**
 * Adds records to `rows` until it has `rowsMax` or the batch has no more; those before `fromOffset` are passed over.
 * @param codec what reads the plain records; null: TypeScript reads them all, and gives the same.
 * @throws RangeError when a length does not fit; `rows` is then of no use.
 */
export function decodeRecords(
  cursor: RecordCursor,
  rows: ReadRows,
  rowsMax: number,
  fromOffset: number,
  codec: NativeCodec | null = nativeCodec(),
): void {
  const { bytes, end, baseOffset, baseTimestamp, logAppendTime } = cursor;
  const rowsEnd = Math.min(rowsMax, rows.n + cursor.left);
  rows.reserve(rowsEnd);
  const { keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets } = rows;
  state.set([cursor.at, cursor.left, rows.n]);
  codec?.readRecords(
    ...([bytes, end, rowsEnd, fromOffset, baseOffset, baseTimestamp, logAppendTime] as const),
    ...[state, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets],
  );
  let [at, left, row] = state as unknown as [number, number, number];
  while (left > 0 && row < rowsMax) {
    const length = readVarint(bytes, at);
    const recordEnd = next + length;
    if (length < 0 || recordEnd > end) throw new RangeError('a record is longer than its batch');
    const timestamp = baseTimestamp + readVarlong(bytes, next + 1);
    const offset = baseOffset + readVarint(bytes, next);
    const keyLength = readVarint(bytes, next);
    const keyStart = next;
    const keyEnd = keyLength < 0 ? keyStart : keyStart + keyLength;
    if (keyEnd > recordEnd) throw new RangeError('a key is longer than its record');
    const valueLength = readVarint(bytes, keyEnd);
    const valueStart = next;
    const valueEnd = valueLength < 0 ? valueStart : valueStart + valueLength;
    if (valueEnd > recordEnd) throw new RangeError('a value is longer than its record');
    const headerCount = readVarint(bytes, valueEnd);
    at = next;
    if (offset >= fromOffset) {
      keyStarts[row] = keyStart;
      keyEnds[row] = keyLength < 0 ? -1 : keyEnd;
      valueStarts[row] = valueStart;
      valueEnds[row] = valueLength < 0 ? -1 : valueEnd;
      timestamps[row] = logAppendTime < 0 ? timestamp : logAppendTime;
      offsets[row] = offset;
      if (headerCount !== 0) rows.headers.set(row, readHeaders(bytes, at, recordEnd, headerCount));
      else next = at;
      row += 1;
    } else if (headerCount !== 0) next = recordEnd;
    if (next !== recordEnd) throw new RangeError('a record is shorter than it says');
    at = recordEnd;
    left -= 1;
  }
  if (left === 0 && at !== end) throw new RangeError('a batch has more bytes than its records');
  cursor.at = at;
  cursor.left = left;
  rows.n = row;
}

function readHeaders(bytes: Buffer, start: number, end: number, count: number): RecordHeader[] {
  if (count < 0 || count > end - start) throw new RangeError(`${count} headers`);
  const headers: RecordHeader[] = [];
  next = start;
  for (let index = 0; index < count; index += 1) {
    const keyLength = readVarint(bytes, next);
    const keyStart = next;
    if (keyLength < 0 || keyLength > end - keyStart) throw new RangeError('a header key is cut');
    const valueLength = readVarint(bytes, keyStart + keyLength);
    const valueStart = next;
    if (valueLength > end - valueStart) throw new RangeError('a header value is cut');
    next = valueLength < 0 ? valueStart : valueStart + valueLength;
    headers.push({
      key: bytes.toString('utf8', keyStart, keyStart + keyLength),
      // A copy: headers go on to other records as they are.
      value: valueLength < 0 ? null : Buffer.from(bytes.subarray(valueStart, next)),
    });
  }
  return headers;
}

/** Where the varint just read ended. A variable of the module: a pair per number would be garbage per field. */
let next = 0;

function readVarint(bytes: Buffer, start: number): number {
  let at = start;
  let byte = bytes[at++]!;
  if (byte < 128) {
    next = at;
    return (byte >>> 1) ^ -(byte & 1);
  }
  let value = byte & 127;
  for (let shift = 7; shift < 35; shift += 7) {
    byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      next = at;
      return (value >>> 1) ^ -(value & 1);
    }
  }
  throw new RangeError('a varint is cut or too long');
}

/** Exact up to 2^53. */
function readVarlong(bytes: Buffer, start: number): number {
  let at = start;
  let value = 0;
  let scale = 1;
  for (let count = 0; count < 10; count += 1) {
    const byte = bytes[at++]!;
    value += (byte & 127) * scale;
    if (byte < 128) {
      next = at;
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    scale *= 128;
  }
  throw new RangeError('a varint is cut or too long');
}

function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * twoTo32 + bytes.readUInt32BE(at + 4);
}
