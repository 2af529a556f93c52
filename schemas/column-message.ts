// Messages with columns of numbers in them: JSON, and behind it the columns as they lie in memory (little-endian).
//
//   0 length of the JSON, 4 bytes · 4 the JSON · then each column, at the next multiple of 8
//
// In the JSON a column is {"$column": its type, "at": where it begins behind the JSON, "bytes": how long it is}.

import { InvalidRecordError } from '../support/index.ts';
import { bytesOf, numbersIn } from './number-arrays.ts';

type Column = Float64Array | Float32Array | Int32Array | Uint8Array;

interface ColumnPlace {
  readonly $column: keyof typeof readers;
  readonly at: number;
  readonly bytes: number;
}

const readers = {
  float64: (bytes: Uint8Array) => numbersIn(bytes, Float64Array),
  float32: (bytes: Uint8Array) => numbersIn(bytes, Float32Array),
  int32: (bytes: Uint8Array) => numbersIn(bytes, Int32Array),
  bytes: (bytes: Uint8Array) => bytes,
} as const;

const align = (length: number): number => Math.ceil(length / 8) * 8;
const prefixBytes = 4;

export function encodeColumnMessage(message: object): Uint8Array {
  const columns: Column[] = [];
  let at = 0;
  const json = Buffer.from(
    // A Buffer would turn itself into JSON before it is looked at: hence `this`.
    JSON.stringify(message, function (this: Record<string, unknown>, key: string) {
      const value = this[key];
      const type = columnType(value);
      if (type === undefined) return value;
      const column = value as Column;
      const place: ColumnPlace = { $column: type, at, bytes: column.byteLength };
      columns.push(column);
      at += align(column.byteLength);
      return place;
    }),
  );
  const begin = align(prefixBytes + json.length);
  const bytes = Buffer.alloc(begin + at);
  bytes.writeUInt32LE(json.length);
  bytes.set(json, prefixBytes);
  let position = begin;
  for (const column of columns) {
    bytes.set(column instanceof Uint8Array ? column : bytesOf(column), position);
    position += align(column.byteLength);
  }
  return bytes;
}

/** What it returns owns its memory. @throws InvalidRecordError for bytes that are no such message */
export function decodeColumnMessage<T extends object>(bytes: Uint8Array): T {
  try {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const begin = align(prefixBytes + length);
    const text = new TextDecoder().decode(bytes.subarray(prefixBytes, prefixBytes + length));
    return JSON.parse(text, (_key, value: unknown) => {
      if (!isPlace(value)) return value;
      const from = begin + value.at;
      if (from + value.bytes > bytes.length)
        throw new RangeError('A column ends beyond the record.');
      return readers[value.$column](new Uint8Array(bytes.subarray(from, from + value.bytes)));
    }) as T;
  } catch (cause) {
    throw new InvalidRecordError(
      'MEANSTREAM_INVALID_MESSAGE',
      `${bytes.length} bytes are not a message with columns.`,
      { cause },
    );
  }
}

function columnType(value: unknown): keyof typeof readers | undefined {
  if (value instanceof Float64Array) return 'float64';
  if (value instanceof Float32Array) return 'float32';
  if (value instanceof Int32Array) return 'int32';
  return value instanceof Uint8Array ? 'bytes' : undefined;
}

function isPlace(value: unknown): value is ColumnPlace {
  return typeof value === 'object' && value !== null && '$column' in value;
}
