import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type NativeCodec,
  nativeCodec,
  RecordBatchBuilder,
  type RecordColumns,
} from '../../schemas/index.ts';
import { ReadRows } from './read-rows.ts';
import {
  crcMatches,
  decodeRecords,
  isAbortMarker,
  readBatchHeader,
} from './record-batch-decoder.ts';
import { encodeBatch } from './record-batch-encoder.ts';
import { layout } from './record-batch-layout.ts';

const producer = {
  producerId: 2 ** 40 + 5,
  producerEpoch: 7,
  baseSequence: 11,
  transactional: true,
};
const mebibyte = 1_048_576;

interface PlainRecord {
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { key: string; value: Uint8Array | null }[];
}

describe('encoding and decoding', () => {
  const field = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
  const record: fc.Arbitrary<PlainRecord> = fc.record({
    timestamp: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 46 })),
    key: field,
    value: field,
    headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: field }), {
      maxLength: 3,
    }),
  });

  test('what goes in comes out, byte for byte', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 80 }), (records) => {
        const { bytes, rows } = encodeBatch(columnsOf(records), 0, mebibyte, producer);
        expect(rows).toBe(records.length);
        expect(decodeAll(bytes)).toEqual(records);
      }),
      { numRuns: 200 },
    );
  });

  const plainRecord = fc.record({ ...{ key: field, value: field }, timestamp: fc.nat() });
  const mixed = fc.oneof(
    { weight: 9, arbitrary: plainRecord.map((plain) => ({ ...plain, headers: [] })) },
    { weight: 1, arbitrary: record },
  );

  test.skipIf(nativeCodec() === null)(
    'machine code and TypeScript write the same bytes and read the same rows (skipped where it is not built)',
    () => {
      const size = fc.integer({ min: 61, max: 4_000 });
      const read = fc.record({ rowsMax: fc.integer({ min: 1, max: 50 }), from: fc.nat(30) });
      fc.assert(
        fc.property(fc.array(mixed, { maxLength: 60 }), size, read, (records, bytesMax, asked) => {
          const columns = columnsOf(records);
          const [native, plain] = [nativeCodec(), null].map((codec) =>
            encodeBatch(columns, 0, bytesMax, producer, Buffer.allocUnsafe, codec),
          );
          expect(native!.rows).toBe(plain!.rows);
          expect(native!.bytes.equals(plain!.bytes)).toBe(true);
          if (plain!.rows === 0) return;
          const [first, second] = [nativeCodec(), null].map((codec) =>
            rowsOf(plain!.bytes, asked.rowsMax, asked.from, codec),
          );
          expect(first).toEqual(second);
        }),
        { numRuns: 1_000 },
      );
    },
  );

  function rowsOf(bytes: Buffer, rowsMax: number, from: number, codec: NativeCodec | null) {
    const { end, recordCount: left, ...header } = readBatchHeader(bytes, 0)!;
    const cursor = { ...header, bytes, at: layout.records as number, end, left };
    const rows = new ReadRows('t', 0);
    decodeRecords(cursor, rows, rowsMax, from, codec);
    const { n, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets, headers } = rows;
    const columns = [keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets];
    const all = columns.map((column) => [...column.subarray(0, n)]);
    return [n, cursor.at, cursor.left, headers, ...all];
  }

  test('a batch says who wrote it and what it spans', () => {
    const { bytes } = encodeBatch(
      columnsOf([plain('a', 30), plain('b', 10)]),
      0,
      mebibyte,
      producer,
    );
    const header = readBatchHeader(bytes, 0)!;
    expect(header).toMatchObject({
      baseOffset: 0,
      lastOffset: 1,
      transactional: true,
      control: false,
      codec: 0,
      producerId: producer.producerId,
      recordCount: 2,
      end: bytes.length,
    });
    expect(bytes.readInt16BE(layout.producerEpoch)).toBe(7);
    expect(bytes.readInt32BE(layout.baseSequence)).toBe(11);
    expect(bytes.readBigInt64BE(layout.maxTimestamp)).toBe(30n);
  });

  test('150,000 records in one batch are no more to it than two (K14)', () => {
    const records = Array.from({ length: 150_000 }, (_, i) => plain(`${i}`, i));
    const { bytes, rows } = encodeBatch(columnsOf(records), 0, 16 * mebibyte, producer);
    expect(rows).toBe(150_000);
    const decoded = decodeAll(bytes);
    expect(decoded[149_999]).toEqual(records[149_999]);
    expect(decoded.length).toBe(150_000);
  });

  test('a batch is never larger than it may be, and what does not fit comes next', () => {
    const records = columnsOf(Array.from({ length: 500 }, (_, i) => plain('v'.repeat(i), i)));
    const sizes: number[] = [];
    let row = 0;
    while (row < records.n) {
      const { bytes, rows } = encodeBatch(records, row, 2_000, producer);
      expect(bytes.length).toBeLessThanOrEqual(2_000);
      expect(readBatchHeader(bytes, 0)?.lastOffset).toBe(rows - 1);
      sizes.push(rows);
      row += rows;
    }
    expect(sizes.reduce((sum, rows) => sum + rows)).toBe(500);
    expect(encodeBatch(columnsOf([plain('x'.repeat(2_000), 0)]), 0, 2_000, producer).rows).toBe(0);
  });

  test('decoding goes on where it stopped, and passes over records before the asked offset', () => {
    const records = Array.from({ length: 10 }, (_, i) => plain(`${i}`, i));
    const { bytes } = encodeBatch(columnsOf(records), 0, mebibyte, producer);
    const cursor = cursorOf(bytes);
    const rows = new ReadRows('t', 0);
    decodeRecords(cursor, rows, 3, 2);
    expect([...rows.offsets.subarray(0, rows.n)]).toEqual([2, 3, 4]);
    rows.clear();
    decodeRecords(cursor, rows, 100, 2);
    expect([...rows.offsets.subarray(0, rows.n)]).toEqual([5, 6, 7, 8, 9]);
  });

  test('timestamps are the log’s own where the batch says so', () => {
    const { bytes } = encodeBatch(columnsOf([plain('a', 1), plain('b', 2)]), 0, mebibyte, producer);
    bytes.writeInt16BE(bytes.readInt16BE(layout.attributes) | 8, layout.attributes);
    bytes.writeBigInt64BE(1_700_000_000_123n, layout.maxTimestamp);
    expect(decodeAll(resealed(bytes)).map(({ timestamp }) => timestamp)).toEqual([
      1_700_000_000_123, 1_700_000_000_123,
    ]);
  });
});

describe('damage', () => {
  const bytes = encodeBatch(
    columnsOf(
      Array.from({ length: 20 }, (_, i) => ({
        ...plain(`value ${i}`, i),
        headers: [{ key: 'h', value: null }],
      })),
    ),
    0,
    mebibyte,
    producer,
  ).bytes;

  test('every flipped bit behind the checksum is noticed', () => {
    for (let at: number = layout.crc; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (at % 8);
      const header = readBatchHeader(damaged, 0);
      expect(header === undefined || !crcMatches(damaged, header)).toBe(true);
    }
  });

  test('with a checksum that fits, damage gives an error or records, never a read past the end', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: layout.attributes, max: bytes.length - 1 }), fc.nat(255)),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        (changes) => {
          const damaged = Buffer.from(bytes);
          for (const [at, byte] of changes) damaged[at] = byte;
          try {
            for (const { key, value } of decodeAll(resealed(damaged))) {
              expect((key?.length ?? 0) + (value?.length ?? 0)).toBeLessThan(bytes.length);
            }
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('a cut batch is none, at whatever byte it is cut', () => {
    for (let end = 0; end < bytes.length; end += 1) {
      expect(readBatchHeader(bytes.subarray(0, end), 0)).toBeUndefined();
    }
  });

  test('a format older than 2 is refused', () => {
    const old = Buffer.from(bytes);
    old[layout.magic] = 1;
    expect(() => readBatchHeader(old, 0)).toThrow(RangeError);
  });
});

test('a key of four zero bytes is data: only the control bit makes a marker (K2)', () => {
  const key = new Uint8Array(4);
  const { bytes } = encodeBatch(columnsOf([{ ...plain('v', 1), key }]), 0, mebibyte, producer);
  const header = readBatchHeader(bytes, 0)!;
  expect(header.control).toBe(false);
  expect(isAbortMarker(bytes, header)).toBe(true);
  expect(decodeAll(bytes)[0]?.key).toEqual(key);
});

function plain(value: string, timestamp: number): PlainRecord {
  return { timestamp, key: null, value: new Uint8Array(Buffer.from(value)), headers: [] };
}

function columnsOf(records: readonly PlainRecord[]): RecordColumns {
  const builder = new RecordBatchBuilder();
  for (const { timestamp, key, value, headers } of records) {
    builder.append(timestamp, key, value, headers);
  }
  return builder;
}

function cursorOf(bytes: Buffer) {
  const { baseOffset, baseTimestamp, logAppendTime, end, recordCount } = readBatchHeader(bytes, 0)!;
  return {
    bytes,
    at: layout.records,
    end,
    left: recordCount,
    baseOffset,
    baseTimestamp,
    logAppendTime,
  };
}

function decodeAll(bytes: Buffer): PlainRecord[] {
  const rows = new ReadRows('t', 0);
  decodeRecords(cursorOf(bytes), rows, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER);
  const slice = (start: number, end: number) =>
    end < 0 ? null : new Uint8Array(bytes.subarray(start, end));
  return Array.from({ length: rows.n }, (_, row) => ({
    timestamp: rows.timestamps[row]!,
    key: slice(rows.keyStarts[row]!, rows.keyEnds[row]!),
    value: slice(rows.valueStarts[row]!, rows.valueEnds[row]!),
    headers: (rows.headers.get(row) ?? []).map(({ key, value }) => ({
      key,
      value: value === null ? null : new Uint8Array(value),
    })),
  }));
}

function resealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(layout.attributes)), layout.crc);
  return bytes;
}
