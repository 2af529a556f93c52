import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { fitScaler, identityScaler, scalePoints, unscalePoints } from './scaler.ts';

describe('the scaler', () => {
  it('gets mean 1e8 and deviation 1 right to 1e-6', () => {
    const random = new Random(1);
    const residuals = Float64Array.from({ length: 20_000 }, () => random.normal());
    const values = residuals.map((residual) => 1e8 + residual);
    const shifted = values.map((value) => value - 1e8);
    const exact = Math.sqrt(moment(shifted, 2) - moment(shifted, 1) ** 2);
    const { mean, scale } = fitScaler(values, values.length, 1);
    expect(Math.abs(scale[0]! - exact)).toBeLessThan(1e-6);
    expect(Math.abs(mean[0]! - 1e8 - moment(shifted, 1))).toBeLessThan(1e-6);
  });

  it('gives a feature that never varies the scale 1', () => {
    const { mean, scale } = fitScaler(Float32Array.of(0.1, 1, 0.1, 2, 0.1, 3), 3, 2);
    expect(scale[0]).toBe(1);
    expect(mean[0]).toBeCloseTo(0.1, 6);
    expect(scale[1]).toBeCloseTo(Math.sqrt(2 / 3), 12);
  });

  it('counts a point of weight w as w points', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(weights, fc.integer(), (counts, seed) => {
        fc.pre(counts.some((count) => count > 0));
        const random = new Random(seed);
        const values = Float32Array.from(counts, () => random.normal());
        const repeated = counts.flatMap((count, i) => new Array<number>(count).fill(values[i]!));
        const weighted = fitScaler(values, counts.length, 1, Float32Array.from(counts));
        const plain = fitScaler(Float32Array.from(repeated), repeated.length, 1);
        expect(weighted.mean[0]).toBeCloseTo(plain.mean[0]!, 10);
        expect(weighted.scale[0]).toBeCloseTo(plain.scale[0]!, 10);
      }),
    );
  });

  it('is undone by unscalePoints', () => {
    const scaler = { mean: Float64Array.of(5, -3), scale: Float64Array.of(2, 0.5) };
    const scaled = new Float32Array(4);
    scalePoints(Float32Array.of(7, -3, 1, 0), 2, 2, scaler.mean, scaler.scale, scaled);
    expect([...scaled]).toEqual([1, 0, -2, 6]);
    expect([...unscalePoints(Float64Array.from(scaled), 2, 2, scaler)]).toEqual([7, -3, 1, 0]);
  });

  it('changes nothing as the identity', () => {
    const { mean, scale } = identityScaler(2);
    const out = new Float32Array(2);
    scalePoints(Float32Array.of(1.5, -2), 1, 2, mean, scale, out);
    expect([...out]).toEqual([1.5, -2]);
  });

  it('keeps the largest floats finite, and their squared distances too', () => {
    const values = Float32Array.of(3.4e38, -3.4e38, 1e-45, 0);
    const { mean, scale } = fitScaler(values.subarray(2), 2, 1);
    const out = new Float32Array(4);
    scalePoints(values, 4, 1, mean, scale, out);
    expect(Math.fround((out[0]! - out[1]!) ** 2)).toBeLessThan(Infinity);
    expect(out.every(Number.isFinite)).toBe(true);
  });
});

function moment(values: Float64Array, power: number): number {
  return values.reduce((sum, value) => sum + value ** power, 0) / values.length;
}
