// From columns to the bytes of one record batch, in one pass. The CRC is put in last.

import {
  type NativeCodec,
  nativeCodec,
  type RecordColumns,
  type RecordHeader,
} from '../../schemas/index.ts';
import { crcOf } from './record-batch-crc.ts';
import { attributeBits, layout, lengthPrefixBytes } from './record-batch-layout.ts';

/** Who writes, for the broker to see repetitions and zombies by. */
export interface BatchProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

/** Gives at least so many bytes, whatever they hold. */
export type Allocate = (bytes: number) => Buffer;

export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly rows: number;
}

const twoTo32 = 4_294_967_296;
const capacityMin = 4_096;
/** Length, attributes, timestamp and offset deltas, key length, value length, header count: varints at their longest. */
const recordOverheadMax = 5 + 1 + 10 + 5 + 5 + 5 + 5;

const recordOverheadLikely = 16;
/** Shorter fields are copied byte by byte: a view of the arena costs more than that. */
const viewBytesMin = 24;

/** Where writing stands: row, place in the bytes, newest timestamp. Of the module: used within one call. */
const state = new Float64Array(3);

/**
 * The rows from `from` on that fit into one batch of at most `bytesMax`: none when the first alone is too large.
 * @param codec what writes the plain rows; null: TypeScript writes them all, and gives the same bytes.
 */
export function encodeBatch(
  records: RecordColumns,
  from: number,
  bytesMax: number,
  producer: BatchProducer,
  allocate: Allocate = Buffer.allocUnsafe,
  codec: NativeCodec | null = nativeCodec(),
): EncodedBatch {
  const { keyStarts, keyEnds, valueStarts, valueEnds, timestamps, headers } = records;
  const baseTimestamp = timestamps[from] ?? -1;
  let maxTimestamp = baseTimestamp;
  let bytes = allocate(likelyBytes(records, from, bytesMax));
  let at: number = layout.records;
  let row = from;
  for (; row < records.n; row += 1) {
    if (codec !== null && headers.size === 0) {
      state.set([row, at, maxTimestamp]);
      codec.writeRecords(
        ...([
          records.n,
          from,
          Math.min(bytesMax, bytes.length),
          records.bytes,
          keyStarts,
          keyEnds,
        ] as const),
        ...[valueStarts, valueEnds, timestamps, bytes, state],
      );
      [row, at, maxTimestamp] = state as unknown as [number, number, number];
      if (row === records.n) break;
    }
    const keyLength = keyEnds[row]! < 0 ? -1 : keyEnds[row]! - keyStarts[row]!;
    const valueLength = valueEnds[row]! < 0 ? -1 : valueEnds[row]! - valueStarts[row]!;
    const timestampDelta = timestamps[row]! - baseTimestamp;
    const offsetDelta = row - from;
    const ownHeaders = headers.size === 0 ? undefined : headers.get(row);
    const length =
      1 +
      varlongBytes(timestampDelta) +
      varintBytes(offsetDelta) +
      varintBytes(keyLength) +
      Math.max(0, keyLength) +
      varintBytes(valueLength) +
      Math.max(0, valueLength) +
      (ownHeaders === undefined ? 1 : headersBytes(ownHeaders));
    if (at + varintBytes(length) + length > bytesMax) break;
    bytes = withRoom(bytes, at, length + recordOverheadMax);
    at = writeVarint(bytes, at, length);
    bytes[at++] = 0;
    at = writeVarlong(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, offsetDelta);
    at = writeField(bytes, at, records.bytes, keyStarts[row]!, keyLength);
    at = writeField(bytes, at, records.bytes, valueStarts[row]!, valueLength);
    if (ownHeaders === undefined) bytes[at++] = 0;
    else at = writeHeaders(bytes, at, ownHeaders);
    if (timestamps[row]! > maxTimestamp) maxTimestamp = timestamps[row]!;
  }
  const rows = row - from;
  writeBatchHeader(bytes, at, rows, baseTimestamp, maxTimestamp, producer);
  bytes.writeUInt32BE(crcOf(bytes, layout.attributes, at, codec), layout.crc);
  return { bytes: bytes.subarray(0, at), rows };
}

function writeBatchHeader(
  bytes: Buffer,
  end: number,
  rows: number,
  baseTimestamp: number,
  maxTimestamp: number,
  producer: BatchProducer,
): void {
  writeInt64(bytes, 0, 0);
  bytes.writeInt32BE(end - lengthPrefixBytes, layout.batchLength);
  bytes.writeInt32BE(-1, layout.leaderEpoch);
  bytes.writeInt8(2, layout.magic);
  bytes.writeInt16BE(producer.transactional ? attributeBits.transactional : 0, layout.attributes);
  bytes.writeInt32BE(rows - 1, layout.lastOffsetDelta);
  writeInt64(bytes, layout.baseTimestamp, baseTimestamp);
  writeInt64(bytes, layout.maxTimestamp, maxTimestamp);
  writeInt64(bytes, layout.producerId, producer.producerId);
  bytes.writeInt16BE(producer.producerEpoch, layout.producerEpoch);
  bytes.writeInt32BE(producer.baseSequence, layout.baseSequence);
  bytes.writeInt32BE(rows, layout.recordCount);
}

/** As much as all rows need when they are like the first: nothing is copied while the batch grows. */
function likelyBytes(
  { n, keyStarts, keyEnds, valueStarts, valueEnds }: RecordColumns,
  from: number,
  bytesMax: number,
): number {
  if (from >= n) return capacityMin;
  const key = Math.max(0, keyEnds[from]! - keyStarts[from]!);
  const value = Math.max(0, valueEnds[from]! - valueStarts[from]!);
  const likely = (n - from) * (key + value + recordOverheadLikely) + capacityMin;
  return Math.min(likely, bytesMax + recordOverheadMax);
}

function withRoom(bytes: Buffer, size: number, more: number): Buffer {
  if (size + more <= bytes.length) return bytes;
  const grown = Buffer.allocUnsafe(Math.max(bytes.length * 2, size + more));
  bytes.copy(grown, 0, 0, size);
  return grown;
}

function writeField(
  bytes: Buffer,
  at: number,
  arena: Uint8Array,
  start: number,
  length: number,
): number {
  const begin = writeVarint(bytes, at, length);
  if (length < viewBytesMin) {
    for (let i = 0; i < length; i++) bytes[begin + i] = arena[start + i]!;
    return begin + Math.max(0, length);
  }
  bytes.set(arena.subarray(start, start + length), begin);
  return begin + length;
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let total = varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyLength = Buffer.byteLength(key);
    total += varintBytes(keyLength) + keyLength;
    total += value === null ? 1 : varintBytes(value.length) + value.length;
  }
  return total;
}

function writeHeaders(bytes: Buffer, start: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(bytes, start, headers.length);
  for (const { key, value } of headers) {
    at = writeVarint(bytes, at, Buffer.byteLength(key));
    at += bytes.write(key, at);
    at = writeVarint(bytes, at, value === null ? -1 : value.length);
    if (value === null) continue;
    bytes.set(value, at);
    at += value.length;
  }
  return at;
}

function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 128) return 1;
  if (zigzag < 16_384) return 2;
  if (zigzag < 2_097_152) return 3;
  return zigzag < 268_435_456 ? 4 : 5;
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 127) {
    bytes[at++] = (zigzag & 127) | 128;
    zigzag >>>= 7;
  }
  bytes[at++] = zigzag;
  return at;
}

/** Zigzag beyond 32 bits, by arithmetic: exact up to 2^52. */
function zigzagOf(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function varlongBytes(value: number): number {
  let zigzag = zigzagOf(value);
  let count = 1;
  while (zigzag > 127) {
    zigzag = Math.floor(zigzag / 128);
    count += 1;
  }
  return count;
}

function writeVarlong(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let zigzag = zigzagOf(value);
  while (zigzag > 127) {
    bytes[at++] = (zigzag % 128) | 128;
    zigzag = Math.floor(zigzag / 128);
  }
  bytes[at++] = zigzag;
  return at;
}

function writeInt64(bytes: Buffer, at: number, value: number): void {
  bytes.writeInt32BE(Math.floor(value / twoTo32), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}
