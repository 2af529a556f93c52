// Record headers of a stored batch: only rows that have some, each
//   row u32 · count u32 · per header: key length u32 · value length int32 (−1 null) · key · value

import type { RecordColumns, RecordHeader } from '../../schemas/index.ts';

const empty = new Uint8Array(0);

/** Bytes of one row's headers. */
export function headersBytes(headers: readonly RecordHeader[]): number {
  if (headers.length === 0) return 0;
  let size = 8;
  for (const { key, value } of headers) size += 8 + Buffer.byteLength(key) + (value?.length ?? 0);
  return size;
}

/** Headers of rows [from, to), the rows counted from `from`. */
export function writeHeaders(records: RecordColumns, from: number, to: number): Uint8Array {
  if (records.headers.size === 0) return empty;
  const rows = [...records.headers]
    .filter(([row, headers]) => row >= from && row < to && headers.length > 0)
    .sort(([a], [b]) => a - b);
  const size = rows.reduce((sum, [, headers]) => sum + headersBytes(headers), 0);
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const [row, headers] of rows) {
    at = bytes.writeUInt32LE(row - from, at);
    at = bytes.writeUInt32LE(headers.length, at);
    for (const { key, value } of headers) {
      at = bytes.writeUInt32LE(Buffer.byteLength(key), at);
      at = bytes.writeInt32LE(value === null ? -1 : value.length, at);
      at += bytes.write(key, at);
      if (value !== null) {
        bytes.set(value, at);
        at += value.length;
      }
    }
  }
  return bytes;
}

/** Calls `found` for every row that has headers, in row order. Values are views into `stored`. */
export function readHeaders(
  stored: Uint8Array,
  found: (row: number, headers: RecordHeader[]) => void,
): void {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  let at = 0;
  while (at < bytes.length) {
    const row = bytes.readUInt32LE(at);
    const count = bytes.readUInt32LE(at + 4);
    at += 8;
    const headers: RecordHeader[] = [];
    for (let i = 0; i < count; i++) {
      const keyEnd = at + 8 + bytes.readUInt32LE(at);
      const valueBytes = bytes.readInt32LE(at + 4);
      const key = bytes.toString('utf8', at + 8, keyEnd);
      at = keyEnd + Math.max(0, valueBytes);
      headers.push({ key, value: valueBytes < 0 ? null : stored.subarray(keyEnd, at) });
    }
    found(row, headers);
  }
}
