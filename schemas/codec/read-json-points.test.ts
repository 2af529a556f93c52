// Points in JSON come out of machine code as they come out of TypeScript, to the bit, and so do the faults of what is none.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCodec } from '../../test/support/compiled-codec.ts';
import { halfwayNumbers } from '../../test/support/halfway-numbers.ts';
import { PointDecoder } from '../point-decoder.ts';
import type { PointShape } from '../point-reader.ts';
import { type RecordBatch, RecordBatchBuilder, type RecordHeader } from '../record-batch.ts';
import { type NativeCodec, nativeCodec } from './native-codec.ts';

const codec = nativeCodec();
const options = { format: 'json', bytesMax: 400, timestampSkewMsMax: 60_000 } as const;
const three: PointShape = { dims: 3, features: [] };
const none: readonly RecordHeader[] = [];

function batchOf(values: readonly (string | Buffer | null)[], headers = none): RecordBatch {
  const builder = new RecordBatchBuilder(2, 16);
  for (const [row, value] of values.entries()) {
    builder.append(1_000 + row, null, value === null ? null : Buffer.from(value), headers);
  }
  const offsets = Float64Array.from(values, (_, row) => 2 ** 40 + row);
  const nextOffset = 2 ** 40 + values.length;
  return Object.assign(builder, { topic: 'points', partition: 3, offsets, nextOffset });
}

function decoded(records: RecordBatch, by: NativeCodec | null, shape = three) {
  const { points, rejected } = new PointDecoder(options, by).decode(records, shape);
  const { n, dims, values, weights, timestamps, offsets, sourceRows } = points;
  const bits = new Int32Array(values.buffer, values.byteOffset, n * dims);
  const columns = [weights, timestamps, offsets, sourceRows];
  return [rejected, [...bits], ...columns.map((column) => [...column.subarray(0, n)])];
}

function expectSame(records: RecordBatch, shape = three) {
  expect(decoded(records, codec, shape)).toEqual(decoded(records, null, shape));
}

/** @returns the rows that machine code took of this batch, asked for each by itself. */
function taken(values: readonly string[], shape = three, headers = none): string[] {
  let rows = 0;
  const counting: NativeCodec = {
    ...codec!,
    readJsonPoints: (bytesMax, row, ...rest) => {
      const next = codec!.readJsonPoints(bytesMax, row, ...rest);
      rows += next - row;
      return next;
    },
  };
  return values.filter((value) => {
    const before = rows;
    decoded(batchOf([value], headers), counting, shape);
    return rows > before;
  });
}

const sign = fc.constantFrom('', '', '-');
const digits = fc.stringMatching(/^[0-9]{1,26}$/);
const power = fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-', 'e-'), fc.nat(330));
const usual = fc.oneof(
  fc.double({ min: -1_000, max: 1_000, noNaN: true }).map(String),
  fc.double({ min: -1_000, max: 1_000, noNaN: true }).map((x) => x.toFixed(6)),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -300, max: 300 }).map(String),
);
const unusual = fc.oneof(
  fc.double().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x.toExponential()),
  fc.tuple(sign, digits).map((parts) => parts.join('')),
  fc.tuple(sign, fc.nat(), digits).map(([s, whole, part]) => `${s}${whole}.${part}`),
  fc.tuple(sign, fc.nat(20), digits).map(([s, n, part]) => `${s}0.${'0'.repeat(n)}${part}`),
  fc.tuple(sign, fc.nat(), digits, power).map(([s, n, part, e]) => `${s}${n}.${part}${e.join('')}`),
  fc.tuple(sign, fc.nat(), power).map(([s, n, e]) => `${s}${n}${e.join('')}`),
  halfwayNumbers,
);
const odd = fc.oneof(
  fc.constantFrom(...['-0', '1e400', '-1e400', '3.4028235677973366e38', '3.4028235e38', '1e-46']),
  fc.constantFrom(...['NaN', '-NaN', 'Infinity', '-Infinity', 'null', 'true', '"1"', '[1]', '{}']),
  fc.constantFrom(...['', '-', '+1', '.5', '1.', '1.e2', '01', '-01', '00', '1e', '1e+', '--1']),
  fc.constantFrom(...['0x1', '1_0', '1f', '1 2', '1,', '1,,', '1;', '\u0661', '1\u00a0', '1e1.5']),
  fc.stringMatching(/^[-+0-9.eE]{1,7}$/),
);
const number = fc.oneof(
  { weight: 14, arbitrary: usual },
  { weight: 7, arbitrary: unusual },
  { weight: 1, arbitrary: odd },
);
const space = fc.oneof(
  { weight: 9, arbitrary: fc.constant('') },
  { weight: 3, arbitrary: fc.constantFrom(' ', '\t', '\r\n', ' \n  \t ') },
  { weight: 1, arbitrary: fc.constantFrom('\v', '\f', '\0', '\u00a0', '\ufeff', '/**/', ',') },
);
const vector = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.array(number, { minLength: 3, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.array(number, { maxLength: 5 }) },
    ),
    space,
    space,
  )
  .map(([numbers, before, behind]) => `[${before}${numbers.join(`${behind},${before}`)}${behind}]`);
const name = fc.oneof(
  { weight: 12, arbitrary: fc.constant('"vector"') },
  { weight: 1, arbitrary: fc.constantFrom('"\\u0076ector"', '"Vector"', '"vector', "'vector'") },
  { weight: 1, arbitrary: fc.constantFrom('"key"', '"weight"', '"features"', '"x"', 'vector', '') },
);
const more = fc.oneof(
  { weight: 9, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom(',', ',"vector":[1,2,3]', ',"weight":2', ',"key":"a"') },
  { weight: 1, arbitrary: fc.constantFrom(',"timestamp":5', ',"x":1', ',"weight":null', '}', ']') },
);
const object = fc
  .tuple(name, vector, more, space, space)
  .map(([field, value, rest, a, b]) => `{${a}${field}${b}:${a}${value}${rest}${b}}`);
const text = fc
  .tuple(space, fc.oneof(object, vector), space)
  .map(([before, point, behind]) => before + point + behind);
const broken = fc
  .tuple(text, fc.nat(), fc.nat(2), fc.nat(255))
  .map(([whole, place, kind, byte]) => {
    const bytes = Buffer.from(whole);
    const at = place % (bytes.length + 1);
    if (kind === 0) return bytes.subarray(0, at);
    const rest = bytes.subarray(kind === 1 ? at : at + 1);
    return Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), rest]);
  });
const value = fc.oneof(
  { weight: 10, arbitrary: text.map((whole): Buffer | null => Buffer.from(whole)) },
  { weight: 2, arbitrary: broken },
  {
    weight: 1,
    arbitrary: fc.constantFrom(null, Buffer.of(), Buffer.from(`[1,2,3${' '.repeat(400)}]`)),
  },
);

describe.skipIf(codec === null)(
  'JSON points in machine code (skipped where it is not built)',
  () => {
    it('are the same, and what is no point has the same fault, row by row', () => {
      fc.assert(
        fc.property(value, (bytes) => expectSame(batchOf([bytes]))),
        { numRuns: 20_000 },
      );
    });

    it('are the same in any mixture with rows that are odd', () => {
      const good = usual.map((x) => `[${x},1,2]`);
      const rows = fc.array(fc.oneof({ weight: 4, arbitrary: good }, value), { maxLength: 40 });
      fc.assert(
        fc.property(rows, (values) => expectSame(batchOf(values))),
        { numRuns: 500 },
      );
    });

    it('are the same with every power of ten', () => {
      for (let exponent = -350; exponent <= 350; exponent++) {
        for (const mantissa of [
          '1',
          '-9.87654321',
          '123456789012345678',
          '0.00000000000000000001',
        ]) {
          expectSame(batchOf([`[1,2,${mantissa}e${exponent}]`]));
        }
      }
    });

    it('end where their record does, whatever is behind it', () => {
      const whole = ' {"vector" : [-1.5e+3, 0.123456789012, 12345678901234]} ';
      for (let cut = 0; cut < whole.length; cut++) {
        for (const behind of [whole.slice(cut), '1]}', ']', '}', '0', '']) {
          const records = batchOf(['[1,2,3]', `${whole.slice(0, cut)}${behind}`]);
          records.valueEnds[1]! -= behind.length;
          const bytes = records.bytes.slice(0, records.valueEnds[1]! + behind.length);
          expectSame(Object.assign(records, { bytes }));
        }
      }
    });

    it('are taken in the forms that programs write', () => {
      const forms = [
        JSON.stringify({ vector: [0.1 + 0.2, -1 / 3, 123_456.789] }),
        JSON.stringify([1e-7, 1e21, -0]),
        '{"vector": [0.00012345678901234567, 1E+2, -1e-290]}',
        '{ "vector" : [ 1.0 , 2.50 , -3 ] }\r\n',
        '[0.123456789012345678,100000000000000000,0]',
      ];
      expect(taken(forms)).toEqual(forms);
    });

    it('are left to TypeScript where anything else is asked of them', () => {
      const point = ['[1,2,3]'];
      expect(taken(point)).toEqual(point);
      const header = { key: 'content-type', value: Buffer.from('application/json') };
      expect(taken(point, three, [header])).toEqual([]);
      expect(taken(point, { ...three, metric: 'cosine' })).toEqual([]);
      expect(taken(point, { ...three, missing: 'mean' })).toEqual([]);
      expect(taken(point, { dims: 0, features: [] })).toEqual([]);
      expect(taken(point, { dims: 3, features: ['a', 'b', 'c'] })).toEqual(point);
    });

    it('have a shape that the first of them fixes', () => {
      expectSame(batchOf(['[]', '[1,2]', '[1]', '[3,4]', '[5,6]']), { dims: 0, features: [] });
    });
  },
);

const sanitizer = spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout;
const checks = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const isSanitized = process.platform === 'linux' && isAbsolute(sanitizer?.trim() ?? '');

describe.skipIf(!isSanitized)('JSON points under the sanitizers (skipped without gcc)', () => {
  it('are read from their own bytes, each in memory that ends where it does', () => {
    const folder = mkdtempSync(join(tmpdir(), 'codec-test-'));
    try {
      const addon = join(folder, 'codec.node');
      expect(compileCodec(addon, checks)).toBe('');
      const rows = fc.sample(value, { numRuns: 10_000, seed: 1 }).map((row) => row ?? Buffer.of());
      const texts = [...rows.map((row) => row.toString('latin1')), ...cutTexts()];
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', readEach, addon], {
        ...{ input: JSON.stringify(texts), encoding: 'utf8', timeout: 60_000 },
        env: { LD_PRELOAD: sanitizer.trim(), ASAN_OPTIONS: 'detect_leaks=0' },
      });
      expect(stderr).toBe('');
      expect(Number(stdout)).toBeGreaterThan(2_000);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 90_000);

  /** Every piece of a point in which all that it takes occurs. */
  function cutTexts(): string[] {
    const whole = ' {"vector" : [-1.5e+3, 0.123456789012, 12345678901234]} ';
    const places = Array.from(whole, (_, at) => at);
    return places.flatMap((from) => places.map((to) => whole.slice(from, to + 1)));
  }

  /** Prints how many rows machine code took; a sanitizer ends it at the first wrong access. */
  const readEach = `
    const codec = require(process.argv[1]);
    let taken = 0;
    for (const text of JSON.parse(require('node:fs').readFileSync(0, 'utf8'))) {
      const bytes = new Uint8Array(new ArrayBuffer(text.length));
      bytes.set(Buffer.from(text, 'latin1'));
      const records = [Int32Array.of(0), Int32Array.of(text.length), Float64Array.of(1), Float64Array.of(1)];
      const values = new Float32Array(new ArrayBuffer(12));
      const rest = [new Float32Array(1), new Float64Array(1), new Float64Array(1), new Int32Array(1)];
      taken += codec.readJsonPoints(1000, 0, 1, 0, 3, bytes, ...records, values, ...rest);
    }
    console.log(taken);`;
});
