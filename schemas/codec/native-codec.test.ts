// Machine code and TypeScript give the same: for rows that the machine code takes, for those it leaves, and in any mixture.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCodec } from '../../test/support/compiled-codec.ts';
import { AssignmentEncoder } from '../assignment-encoder.ts';
import type { PointBatch } from '../point-batch.ts';
import { PointDecoder, type PointDecoderOptions } from '../point-decoder.ts';
import { type RecordBatch, RecordBatchBuilder } from '../record-batch.ts';
import { type NativeCodec, nativeCodec } from './native-codec.ts';

const codec = nativeCodec();
/** Prints numbers as where there is no AVX-512. */
const oneByOne = codec && compiledOneByOne();
const model = { version: '1.2.3', clusterIds: ['c0', 'c"1', 'c2'] };
const options: PointDecoderOptions = {
  ...{ format: 'float32', bytesMax: 64, timestampSkewMsMax: 60_000 },
};

const float32 = fc
  .integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  .map((bits) => new Float32Array(Int32Array.of(bits).buffer)[0]!);
const finite = fc.oneof(
  float32.filter(Number.isFinite),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: 0, max: 100, noNaN: true }),
  fc.constantFrom(0, -0, 1, 10, 0.1, 1e-6, 999_999.94, 1e6, 99.999996, 1e-7).map(Math.fround),
);
const key = fc.option(
  fc.oneof(
    fc.nat(1_000).map((i) => Buffer.from(`key-${i}`)),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  ),
);
const time = fc.oneof(fc.constant(-1), fc.nat(), fc.integer({ min: 0, max: 2 ** 45 }));

function compiledOneByOne(): NativeCodec | null {
  const folder = mkdtempSync(join(tmpdir(), 'codec-test-'));
  try {
    const target = join(folder, 'codec.node');
    const complaint = compileCodec(target, ['-DONE_BY_ONE']);
    return complaint === '' ? createRequire(import.meta.url)(target) : null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function recordsOf(rows: readonly { key: Buffer | null; time: number; value: Buffer }[]) {
  const records = new RecordBatchBuilder();
  for (const row of rows) records.append(row.time, row.key, row.value);
  const offsets = Float64Array.from(rows, (_, row) => 2 ** 40 + row);
  const nextOffset = 2 ** 40 + rows.length;
  return Object.assign(records, { topic: 'points', partition: 3, offsets, nextOffset });
}

/** From 1e-6 to 1e6, where machine code prints. */
function plainNumbers(): Float32Array<ArrayBuffer> {
  const [first, last] = new Int32Array(Float32Array.of(1e-6, 1e6).buffer) as unknown as number[];
  const bits: number[] = [];
  for (let i = first! + 1; i < last!; i += 50_021) bits.push(i);
  const powers = Array.from({ length: 40 }, (_, i) => [
    2 ** (i - 20),
    10 ** (Math.trunc(i / 3) - 6),
  ]);
  for (const power of new Int32Array(Float32Array.from(powers.flat()).buffer)) {
    for (let i = power - 8; i <= power + 8; i++) if (i > first! && i < last!) bits.push(i);
  }
  return new Float32Array(Int32Array.from(bits).buffer);
}

function pointsOf(records: RecordBatch): PointBatch {
  const { n, offsets, timestamps } = records;
  return {
    ...{ partition: 3, n, dims: 1, features: [], values: new Float32Array(n) },
    ...{ weights: new Float32Array(n), sourceRows: Int32Array.from({ length: n }, (_, i) => i) },
    ...{ records, timestamps, offsets, fromOffset: 0, nextOffset: n },
  };
}

function columnsOf({ n, bytes, size, ...columns }: RecordBatchBuilder) {
  const { keyStarts, keyEnds, valueStarts, valueEnds, timestamps } = columns;
  const all = { keyStarts, keyEnds, valueStarts, valueEnds, timestamps };
  return [
    Buffer.from(bytes.subarray(0, size)).toString('latin1'),
    ...Object.values(all).map((column) => [...column.subarray(0, n)]),
  ];
}

describe.each([
  { name: 'the native codec (skipped where it is not built)', codec },
  { name: 'the native codec without AVX-512 (skipped without a compiler)', codec: oneByOne },
])('$name', ({ codec }) => {
  const row = fc.record({ key, time, value: fc.constant(Buffer.from('x')) });
  const number = fc.oneof({ weight: 9, arbitrary: finite }, { weight: 1, arbitrary: float32 });

  it.skipIf(codec === null)('writes the same assignments into the same columns', () => {
    const answer = fc.tuple(row, fc.nat(2), number, number, number, fc.tuple(time, fc.nat()));
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 40 }), (answers) => {
        const records = recordsOf(answers.map(([record]) => record));
        const points = {
          ...pointsOf(records),
          timestamps: Float64Array.from(answers, ([, , , , , [timestamp]]) => timestamp),
          offsets: Float64Array.from(answers, ([, , , , , [, offset]]) => offset),
        };
        const columns = {
          labels: Int32Array.from(answers, ([, label]) => label),
          distances: Float32Array.from(answers, ([, , distance]) => distance),
          margins: Float32Array.from(answers, ([, , , margin]) => margin),
          outlierScores: Float32Array.from(answers, ([, , , , score]) => score),
        };
        const [native, plain] = [codec, null].map((by) => {
          const out = new RecordBatchBuilder(2, 8);
          out.append(5, Buffer.from('before'), null);
          new AssignmentEncoder(model, by).encode(points, columns, out);
          return columnsOf(out);
        });
        expect(native).toEqual(plain);
      }),
      { numRuns: 2_000 },
    );
  });

  it.skipIf(codec === null)(
    'writes the same digits of all magnitudes, and beside powers of ten and of two',
    () => {
      const numbers = plainNumbers();
      const n = numbers.length;
      const none = { key: null, value: Buffer.from('x') };
      const largest = 2 ** 53 - (2 ** 53 % 1e8);
      const times = Array.from(numbers, (_, i) => (i % 2 ? 10 ** (i % 16) - 1 : largest - (i % 3)));
      const records = recordsOf(times.map((time) => ({ ...none, time })));
      const points = { ...pointsOf(records), offsets: records.timestamps.subarray(0, n) };
      const columns = {
        ...{ labels: new Int32Array(n), distances: numbers },
        ...{ margins: numbers.map((number) => -number), outlierScores: numbers.toReversed() },
      };
      const stops: number[] = [];
      const watched: typeof codec = {
        ...codec!,
        writeAssignments(...args) {
          stops.push(codec!.writeAssignments(...args));
          return stops.at(-1)!;
        },
      };
      const [native, plain] = [watched, null].map((by) => {
        const out = new RecordBatchBuilder(n, 512 * n);
        new AssignmentEncoder(model, by).encode(points, columns, out);
        return columnsOf(out);
      });
      expect(stops).toEqual([n]);
      expect(native).toEqual(plain);
    },
  );
});

describe.skipIf(codec === null)('the native codec (skipped where it is not built)', () => {
  it('reads the same points, and rejects the same', () => {
    const value = fc.oneof(
      { weight: 8, arbitrary: fc.tuple(finite, finite, finite) },
      { weight: 1, arbitrary: fc.array(float32, { maxLength: 20 }) },
    );
    const record = fc
      .record({ key, time, value, cut: fc.constantFrom(0, 0, 0, 0, 0, 1) })
      .map(({ cut, ...rest }) => {
        const bytes = Buffer.from(Float32Array.from(rest.value).buffer);
        return { ...rest, value: bytes.subarray(0, Math.max(0, bytes.length - cut)) };
      });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 40 }), (rows) => {
        const [native, plain] = [codec, null].map((by) => decoded(recordsOf(rows), by));
        expect(native).toEqual(plain);
      }),
      { numRuns: 1_000 },
    );
  });

  function decoded(records: RecordBatch, by: typeof codec) {
    const decoder = new PointDecoder(options, by);
    const { points, rejected } = decoder.decode(records, { dims: 3, features: [] });
    const { n, values, weights, timestamps, offsets, sourceRows } = points;
    const columns = [weights, timestamps, offsets, sourceRows];
    return [
      ...[n, rejected, [...values.subarray(0, n * 3)]],
      ...columns.map((column) => [...column.subarray(0, n)]),
    ];
  }
});

const own = codec?.crc32c;

describe.skipIf(own === undefined)(
  'a checksum of our own (skipped without instructions for it)',
  () => {
    const bytes = randomBytes(1_048_576 + 64);
    function expectSame(start: number, length: number): void {
      const expected = crc32c(bytes.subarray(start, start + length));
      expect(own?.(bytes, start, start + length)).toBe(expected);
    }

    it('is that of the reference for every length and place', () => {
      const length = fc.oneof(fc.integer({ min: 0, max: 1_048_576 }), fc.nat(4_096));
      fc.assert(fc.property(fc.nat(64), length, expectSame), { numRuns: 500 });
    });

    it('is so around the length from which thirds are taken', () => {
      for (let length = 0; length < 1_200; length++) expectSame(length % 16, length);
    });

    it('is of bytes within those given only', () => {
      expect(() => own?.(bytes, 0, bytes.length + 1)).toThrow(/beyond/);
      expect(() => own?.(bytes, 2, 1)).toThrow(/beyond/);
    });
  },
);

it('takes columns of the right kind only', () => {
  expect(() => codec?.readRecords(new Uint8Array(1), 2, 1, 0)).toThrow(/missing|beyond/);
});
