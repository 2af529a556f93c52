import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberBytesMax, shorter, writeFloat32, writeInteger } from './number-text.ts';

function textOf(write: (out: Uint8Array) => number): string {
  const out = new Uint8Array(numberBytesMax).fill(0x78);
  return Buffer.from(out.subarray(0, write(out))).toString('latin1');
}

const float32Text = (value: number) => textOf((out) => writeFloat32(out, 0, value));

/** Every bit pattern alike, so that all magnitudes occur. */
const anyFloat32 = fc
  .integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  .map((bits) => new Float32Array(Int32Array.of(bits).buffer)[0]!)
  .filter(Number.isFinite);

describe('the text of a float32', () => {
  it.each([
    [0, '0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [0.1, '0.1'],
    [1 / 3, '0.33333334'],
    [2 / 3, '0.6666667'],
    [16_777_217, '16777216'],
    [999_999.9375, '999999.94'],
    [1e-6, '0.000001'],
    [9.999999e-7, '9.999999e-7'],
    [3.4028234663852886e38, '3.4028235e+38'],
    [2 ** -149, '1.401298e-45'],
  ])('of %d is %s', (value, text) => {
    expect(float32Text(Math.fround(value))).toBe(text);
  });

  it('gives back the same bits, in nine digits at most', () => {
    fc.assert(
      fc.property(fc.oneof(anyFloat32, fc.float({ noNaN: true, noDefaultInfinity: true })), (x) => {
        const text = float32Text(x);
        expect(Math.fround(JSON.parse(text))).toBe(x === 0 ? 0 : x);
        const digits = text.replace(/e.*/, '').replace(/[-.]/g, '').replace(/^0+/, '');
        expect(digits.replace(/0+$/, '').length).toBeLessThanOrEqual(9);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is what the number of `shorter` prints as', () => {
    fc.assert(
      fc.property(anyFloat32, (x) => {
        expect(float32Text(x)).toBe(String(shorter(x)));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the text of a whole number', () => {
  it('is what JavaScript prints', () => {
    const number = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.nat(1_000));
    fc.assert(
      fc.property(number, (value) => {
        expect(textOf((out) => writeInteger(out, 0, value))).toBe(String(value));
      }),
    );
    for (const value of [0, 9, 10, 999_999_999, 1_000_000_000, 2 ** 53]) {
      expect(textOf((out) => writeInteger(out, 0, value))).toBe(String(value));
    }
  });
});
