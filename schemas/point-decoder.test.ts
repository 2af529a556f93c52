import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { halfwayNumbers } from '../test/support/halfway-numbers.ts';
import { PointDecoder, type PointDecoderOptions } from './point-decoder.ts';
import type { PointShape } from './point-reader.ts';
import { type RecordBatch, RecordBatchBuilder, type RecordHeader } from './record-batch.ts';

type Value = string | Uint8Array | null;

function batchOf(values: readonly Value[], headers: readonly RecordHeader[] = []): RecordBatch {
  const builder = new RecordBatchBuilder(2, 16);
  for (const value of values) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    builder.append(1_000, null, bytes, headers);
  }
  return Object.assign(builder, {
    topic: 'points',
    partition: 3,
    offsets: Float64Array.from(values, (_, row) => 40 + row * 2),
    nextOffset: 40 + values.length * 2,
  });
}

const plain: PointShape = { dims: 0, features: [] };

function decode(
  values: readonly Value[],
  shape: PointShape = plain,
  options: Partial<PointDecoderOptions> = {},
  headers: readonly RecordHeader[] = [],
) {
  const decoder = new PointDecoder({
    format: 'json',
    bytesMax: 100_000,
    timestampSkewMsMax: Infinity,
    ...options,
  });
  const { points, rejected } = decoder.decode(batchOf(values, headers), shape);
  const rows = Array.from({ length: points.n }, (_, row) =>
    Array.from(points.values.subarray(row * points.dims, (row + 1) * points.dims)),
  );
  return { points, rejected, rows, codes: rejected.map(({ code }) => code) };
}

describe('a point decoder', () => {
  it('reads vectors, bare arrays and all optional fields', () => {
    const { points, rows } = decode([
      '{"vector":[1,2.5]}',
      '[ -0 , 1e-50 ]',
      '{"key":"ä","timestamp":7,"weight":0.5,"vector":[3,4]}',
      '{"vector":[1,2],"weight":null,"timestamp":null,"key":null}\r\n',
    ]);
    expect(rows).toEqual([
      [1, 2.5],
      [-0, 0],
      [3, 4],
      [1, 2],
    ]);
    expect([...points.weights.subarray(0, 4)]).toEqual([1, 1, 0.5, 1]);
    expect([...points.timestamps.subarray(0, 4)]).toEqual([1_000, 1_000, 7, 1_000]);
    expect([...points.offsets.subarray(0, 4)]).toEqual([40, 42, 44, 46]);
    expect(points).toMatchObject({ partition: 3, dims: 2, fromOffset: 40, nextOffset: 48 });
  });

  it('leaves no row for a bad record, and says which it was', () => {
    const { points, rejected, rows } = decode(['[1,2]', '[1]', 'x', '[3,4]']);
    expect(rows).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect([...points.sourceRows.subarray(0, 2)]).toEqual([0, 3]);
    expect(rejected).toEqual([
      {
        row: 1,
        code: 'wrong_length',
        message: 'The vector has 1 number, expected 2; send 2 numbers per point.',
      },
      {
        row: 2,
        code: 'bad_json',
        message: 'The value is not JSON: a value expected at byte 0.',
      },
    ]);
  });

  it('reads named features in any order, with or without their wrapper', () => {
    const shape = { dims: 2, features: ['height', 'ü/x'] };
    const { rows, codes } = decode(
      [
        '{"features":{"height":1,"ü/x":2}}',
        '{"features":{"\\u00fc/x":2,"height":1}}',
        '{"height":1,"ü/x":2,"weight":3}',
        '{"weight":3,"ü/x":2,"height":1}',
        '[1,2]',
        '{"vector":[1,2]}',
        '{"height":1}',
        '{"height":1,"height":1}',
        '{"features":{"height":1,"size":2}}',
        '{"features":{}}',
        '{"height":1,"vector":[1,2]}',
        '{"height":"1","ü/x":2}',
      ],
      shape,
    );
    expect(rows).toEqual(Array.from({ length: 6 }, () => [1, 2]));
    expect(codes).toEqual([
      'missing_feature',
      'duplicate_field',
      'unknown_feature',
      'missing_feature',
      'ambiguous_point',
      'not_a_number',
    ]);
  });

  it('takes the names of a stream from its first point when there is no model', () => {
    const { points, rows, codes } = decode([
      '{"features":{"b":1,"a":2}}',
      '{"features":{"a":4,"b":3}}',
      '{"features":{"a":4}}',
    ]);
    expect(points.features).toEqual(['b', 'a']);
    expect(rows).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(codes).toEqual(['missing_feature']);
  });

  it('reads raw float32 where the header or the setting says so', () => {
    const raw = Buffer.from(Float32Array.of(1.5, -2).buffer);
    const header = (text: string) => [{ key: 'Content-Type', value: Buffer.from(text) }];
    const float32 = header('application/vnd.meanstream.float32');
    expect(decode([raw], plain, {}, float32).rows).toEqual([[1.5, -2]]);
    expect(decode([raw], plain, { format: 'float32' }).rows).toEqual([[1.5, -2]]);
    const json = header('application/json; charset=utf-8');
    expect(decode(['[1]'], plain, { format: 'float32' }, json).rows).toEqual([[1]]);
    expect(decode(['[1]'], plain, {}, header('text/csv')).codes).toEqual(['unknown_content_type']);
    expect(decode([raw.subarray(0, 7)], plain, {}, float32).codes).toEqual(['partial_float32']);
    const nan = Buffer.from(Float32Array.of(Number.NaN).buffer);
    expect(decode([nan], plain, {}, float32).codes).toEqual(['not_finite']);
  });

  it('refuses timestamps too far ahead of their record when told to', () => {
    const point = '{"vector":[1],"timestamp":3000}';
    expect(decode([point], plain, { timestampSkewMsMax: 1_999 }).codes).toEqual([
      'timestamp_in_future',
    ]);
    expect(decode([point], plain, { timestampSkewMsMax: 2_000 }).codes).toEqual([]);
  });

  it('never repeats more of the data than a short name', () => {
    const secret = 'x'.repeat(30_000);
    const { rejected } = decode([`{"${secret}":1}`, `"${secret}"`, `[1,"${secret}"]`, secret]);
    expect(rejected.map(({ message }) => message.length).filter((length) => length > 300)).toEqual(
      [],
    );
    expect(rejected[0]!.message).not.toContain('x'.repeat(41));
  });
});

/** What JSON.parse and plain rules say: the row, or undefined when the point is bad. */
function obvious(bytes: Uint8Array): number[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
  const known = ['vector', 'weight', 'timestamp', 'key'];
  if (value === null || typeof value !== 'object') return undefined;
  const point = (Array.isArray(value) ? { vector: value } : value) as Record<string, unknown>;
  const { vector, weight, timestamp, key } = point;
  if (Object.keys(point).some((name) => !known.includes(name))) return undefined;
  if (!Array.isArray(vector) || vector.length === 0) return undefined;
  const row = vector.map((number) => (typeof number === 'number' ? Math.fround(number) : NaN));
  if (row.some((number) => !Number.isFinite(number))) return undefined;
  if (weight != null && !(typeof weight === 'number' && Math.fround(weight) >= 0)) return undefined;
  if (weight != null && Math.fround(weight as number) === Infinity) return undefined;
  if (timestamp != null && !(Number.isInteger(timestamp) && Number(timestamp) >= 0))
    return undefined;
  if (timestamp != null && Number(timestamp) > 253_402_300_799_999) return undefined;
  if (key != null && typeof key !== 'string') return undefined;
  return row;
}

const numberText = fc.oneof(
  fc.double().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x.toExponential()),
  fc.integer().map(String),
  fc
    .tuple(fc.bigInt(), fc.bigInt({ min: 0n }), fc.integer({ min: -60, max: 60 }))
    .map(([whole, part, exponent]) => `${whole}.${part}e${exponent}`),
  fc.stringMatching(/^-?[0-9]{1,20}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?$/),
  fc.stringMatching(/^[-+0-9.eE]{1,6}$/),
  halfwayNumbers,
);
const space = fc.constantFrom('', '', '', ' ', '\t', '\r\n', '\u00a0');
const element = fc.oneof(
  { weight: 12, arbitrary: numberText },
  {
    weight: 1,
    arbitrary: fc.constantFrom('null', 'true', '"1"', '[]', '{}', '', 'NaN', '-Infinity', '1 2'),
  },
);
const vectorText = fc
  .tuple(fc.array(fc.tuple(space, element, space), { maxLength: 6 }), space)
  .map(([elements, inside]) => `[${inside}${elements.map((parts) => parts.join('')).join(',')}]`);
const fieldText = fc.tuple(
  fc.constantFrom(
    '"vector"',
    '"vector"',
    '"\\u0076ector"',
    '"weight"',
    '"timestamp"',
    '"key"',
    '"x"',
  ),
  fc.oneof(vectorText, vectorText, numberText, fc.json()),
);
const objectText = fc
  .uniqueArray(fieldText, { selector: ([name]) => JSON.parse(name), maxLength: 4 })
  .map((fields) => `{${fields.map(([name, value]) => `${name}:${value}`).join(',')}}`);

describe('a point decoder agrees with JSON.parse', () => {
  const agrees = (bytes: Uint8Array) => {
    const expected = bytes.length === 0 ? undefined : obvious(bytes);
    const { rows } = decode([bytes]);
    expect(rows).toEqual(expected === undefined ? [] : [expected]);
    for (const [i, number] of (expected ?? []).entries()) {
      expect(Object.is(rows[0]![i], number)).toBe(true);
    }
  };

  it('on vectors of all kinds of numbers', () => {
    fc.assert(
      fc.property(space, vectorText, space, (before, vector, after) =>
        agrees(Buffer.from(before + vector + after)),
      ),
      { numRuns: 3_000 },
    );
  });

  it('on objects', () => {
    fc.assert(
      fc.property(objectText, (text) => agrees(Buffer.from(text))),
      { numRuns: 2_000 },
    );
  });

  it('on good points with a byte changed, added or cut', () => {
    const good = Buffer.from('{"key":"\\u00e4ü","vector":[1.25e-3,-0,17],"weight":2.5}');
    fc.assert(
      fc.property(fc.nat(good.length), fc.nat(2), fc.nat(255), (at, kind, byte) => {
        const rest = good.subarray(kind === 0 ? at : at + 1);
        agrees(Buffer.concat([good.subarray(0, at), Buffer.of(...(kind < 2 ? [byte] : [])), rest]));
      }),
      { numRuns: 5_000 },
    );
  });
});
