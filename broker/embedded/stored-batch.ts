// How records lie in the database: whole batches, columns first, so that reading one is a checksum and a few copies.
// Little-endian. The base offset is in the key; `span` says how many offsets the batch covers, also those whose rows
// compaction took out (then it is sparse: every row says its distance from the base).
//
//   0 crc32c of all that follows · 4 format, 1 byte · 5 flags, 1 byte · 6 unused, 2 · 8 rows · 12 span
//   16 newest timestamp, float64 · 24 bytes of data · 28 bytes of headers · then the columns:
//   timestamps float64 × rows · key lengths int32 × rows (−1 null) · value lengths int32 × rows (−1 null)
//   · offset deltas int32 × rows, when sparse · data: key, value, key, value, … · headers (stored-headers.ts)

import { crc32c } from '@node-rs/crc32';
import { type RecordColumns, recordHeaders } from '../../schemas/index.ts';
import { FatalError } from '../../support/index.ts';
import { headersBytes, writeHeaders } from './stored-headers.ts';

const format = 1;
const sparseFlag = 1;
export const headerBytes = 32;
/** Columns of one row: timestamp, two lengths. */
const rowBytes = 16;
/** Rows of one stored batch: what a reader decodes at once. */
const rowsMax = 8192;
/** Bytes of one stored batch, if the topic allows as much: what a reader holds at least. */
const batchBytesMax = 1_048_576;

/** A batch as it is stored, with what its keeper wants to know without decoding it. */
export interface StoredBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly rows: number;
  readonly timestampMax: number;
  readonly bytes: Uint8Array;
}

export interface EncodedBatch {
  readonly rows: number;
  readonly bytes: Uint8Array;
}

/** What a record alone takes in a log batch: this counts against max.message.bytes. */
export function recordSize(records: RecordColumns, row: number): number {
  const key = Math.max(0, records.keyEnds[row]! - records.keyStarts[row]!);
  const value = Math.max(0, records.valueEnds[row]! - records.valueStarts[row]!);
  const keyLength = records.keyEnds[row]! < 0 ? 0 : key;
  const valueLength = records.valueEnds[row]! < 0 ? 0 : value;
  const headers = records.headers.size === 0 ? 0 : headersBytes(recordHeaders(records, row));
  return rowBytes + keyLength + valueLength + headers;
}

export interface EncodeOptions {
  /** Limit of one batch, `max.message.bytes` of the topic. */
  readonly bytesMax: number;
  /** Counts as the age of a batch whose records have no timestamp. */
  readonly nowMs: number;
  /** Called for a row that fits in no batch. */
  readonly tooLarge: (row: number, size: number) => never;
}

/** Encodes all rows, as many batches as the limits ask for. */
export function encodeBatches(records: RecordColumns, options: EncodeOptions): EncodedBatch[] {
  const { bytesMax, nowMs, tooLarge } = options;
  const limit = Math.min(bytesMax, batchBytesMax);
  const batches: EncodedBatch[] = [];
  let from = 0;
  let size = headerBytes;
  for (let row = 0; row < records.n; row++) {
    const record = recordSize(records, row);
    if (record + headerBytes > bytesMax) tooLarge(row, record + headerBytes);
    if (row > from && (size + record > limit || row - from === rowsMax)) {
      batches.push({ rows: row - from, bytes: encodeRows(records, from, row, nowMs) });
      from = row;
      size = headerBytes;
    }
    size += record;
  }
  if (records.n > from) {
    batches.push({ rows: records.n - from, bytes: encodeRows(records, from, records.n, nowMs) });
  }
  return batches;
}

/** Rows [from, to) as one batch. With `offsets`, a sparse one that covers [baseOffset, nextOffset). */
export function encodeRows(
  records: RecordColumns,
  from: number,
  to: number,
  nowMs: number,
  sparse?: { offsets: Float64Array; baseOffset: number; nextOffset: number },
): Uint8Array {
  const rows = to - from;
  const columnsBytes = rows * (sparse === undefined ? rowBytes : rowBytes + 4);
  const lengths = new Int32Array(rows * 2);
  const { dataBytes, contiguousFrom, timestampMax } = measure(records, from, to, lengths);
  const headers = writeHeaders(records, from, to);
  const bytes = new Uint8Array(headerBytes + columnsBytes + dataBytes + headers.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(4, format);
  view.setUint8(5, sparse === undefined ? 0 : sparseFlag);
  view.setUint32(8, rows, true);
  view.setUint32(12, sparse === undefined ? rows : sparse.nextOffset - sparse.baseOffset, true);
  view.setFloat64(16, timestampMax < 0 ? nowMs : timestampMax, true);
  view.setUint32(24, dataBytes, true);
  view.setUint32(28, headers.length, true);
  let at = headerBytes;
  new Float64Array(bytes.buffer, at, rows).set(records.timestamps.subarray(from, to));
  at += rows * 8;
  new Int32Array(bytes.buffer, at, rows * 2).set(lengths);
  at += rows * 8;
  if (sparse !== undefined) {
    const deltas = new Int32Array(bytes.buffer, at, rows);
    for (let i = 0; i < rows; i++) deltas[i] = sparse.offsets[from + i]! - sparse.baseOffset;
    at += rows * 4;
  }
  if (contiguousFrom >= 0) {
    bytes.set(records.bytes.subarray(contiguousFrom, contiguousFrom + dataBytes), at);
  } else gather(records, from, to, bytes, at);
  bytes.set(headers, at + dataBytes);
  view.setUint32(0, crc32c(bytes.subarray(4)), true);
  return bytes;
}

/** Fills in the lengths, and finds out whether keys and values already lie as they are stored: then one copy does. */
function measure(records: RecordColumns, from: number, to: number, lengths: Int32Array) {
  const { keyStarts, keyEnds, valueStarts, valueEnds, timestamps } = records;
  const rows = to - from;
  let dataBytes = 0;
  let timestampMax = -1;
  let begin = -1;
  let contiguous = true;
  for (let i = 0; i < rows; i++) {
    const row = from + i;
    const keyEnd = keyEnds[row]!;
    const valueEnd = valueEnds[row]!;
    if (timestamps[row]! > timestampMax) timestampMax = timestamps[row]!;
    if (keyEnd < 0) lengths[i] = -1;
    else {
      const start = keyStarts[row]!;
      if (begin < 0) begin = start;
      if (start !== begin + dataBytes) contiguous = false;
      lengths[i] = keyEnd - start;
      dataBytes += keyEnd - start;
    }
    if (valueEnd < 0) lengths[rows + i] = -1;
    else {
      const start = valueStarts[row]!;
      if (begin < 0) begin = start;
      if (start !== begin + dataBytes) contiguous = false;
      lengths[rows + i] = valueEnd - start;
      dataBytes += valueEnd - start;
    }
  }
  return { dataBytes, timestampMax, contiguousFrom: contiguous ? Math.max(0, begin) : -1 };
}

function gather(
  records: RecordColumns,
  from: number,
  to: number,
  target: Uint8Array,
  targetStart: number,
): void {
  const { bytes, keyStarts, keyEnds, valueStarts, valueEnds } = records;
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = targetStart;
  for (let row = from; row < to; row++) {
    if (keyEnds[row]! >= 0) at += source.copy(target, at, keyStarts[row]!, keyEnds[row]!);
    if (valueEnds[row]! >= 0) at += source.copy(target, at, valueStarts[row]!, valueEnds[row]!);
  }
}

/** Checks the sum, and reads the head. @throws FatalError when the bytes are not as they were written. */
export function openStored(bytes: Uint8Array, baseOffset: number, where: string): StoredBatch {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sound =
    bytes.length >= headerBytes && view.getUint32(0, true) === crc32c(bytes.subarray(4));
  if (!sound || view.getUint8(4) !== format) {
    throw new FatalError(
      `The stored batch of ${where} at offset ${baseOffset} does not match its checksum; the data folder is damaged: restore it or delete it.`,
      { where, baseOffset },
    );
  }
  return {
    baseOffset,
    nextOffset: baseOffset + view.getUint32(12, true),
    rows: view.getUint32(8, true),
    timestampMax: view.getFloat64(16, true),
    bytes,
  };
}

/** A batch that was just encoded. */
export function storedAt(encoded: EncodedBatch, baseOffset: number): StoredBatch {
  const view = new DataView(encoded.bytes.buffer);
  return {
    baseOffset,
    nextOffset: baseOffset + encoded.rows,
    rows: encoded.rows,
    timestampMax: view.getFloat64(16, true),
    bytes: encoded.bytes,
  };
}

/** The columns inside stored bytes. Views where the memory is aligned, else of a copy. */
export interface StoredColumns {
  readonly timestamps: Float64Array;
  readonly keyLengths: Int32Array;
  readonly valueLengths: Int32Array;
  /** Distance from the base offset, undefined when it is the row's number. */
  readonly offsetDeltas: Int32Array | undefined;
  readonly data: Uint8Array;
  readonly headers: Uint8Array;
}

export function storedColumns({ bytes: stored, rows }: StoredBatch): StoredColumns {
  const bytes = stored.byteOffset % 8 === 0 ? stored : stored.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sparse = (view.getUint8(5) & sparseFlag) !== 0;
  const dataBytes = view.getUint32(24, true);
  let at = bytes.byteOffset + headerBytes;
  const timestamps = new Float64Array(bytes.buffer, at, rows);
  at += rows * 8;
  const keyLengths = new Int32Array(bytes.buffer, at, rows);
  at += rows * 4;
  const valueLengths = new Int32Array(bytes.buffer, at, rows);
  at += rows * 4;
  const offsetDeltas = sparse ? new Int32Array(bytes.buffer, at, rows) : undefined;
  if (sparse) at += rows * 4;
  const dataStart = at - bytes.byteOffset;
  return {
    timestamps,
    keyLengths,
    valueLengths,
    offsetDeltas,
    data: bytes.subarray(dataStart, dataStart + dataBytes),
    headers: bytes.subarray(dataStart + dataBytes),
  };
}
