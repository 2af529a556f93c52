import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binStart,
  cumulativeHistogram,
  distanceBin,
  distanceBins,
  shareBelow,
} from './distance-histogram.ts';

const distances = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), {
  minLength: 1,
  maxLength: 40,
});

describe('the distance histogram', () => {
  it('puts a distance where its edges say', () => {
    expect(distanceBin(1)).toBe(40);
    expect(binStart(40)).toBe(1);
    expect(binStart(44)).toBe(2);
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 50, noNaN: true }), (distance) => {
        const bin = distanceBin(distance);
        expect(distance).toBeGreaterThanOrEqual(binStart(bin));
        expect(distance).toBeLessThan(binStart(bin + 1));
      }),
    );
  });

  it('begins each bin at its edge, not before', () => {
    for (let bin = 1; bin < distanceBins; bin++) {
      expect(distanceBin(binStart(bin))).toBe(bin);
      expect(distanceBin(binStart(bin) * (1 - 2 ** -52))).toBe(bin - 1);
    }
  });

  it('has open ends', () => {
    expect(distanceBin(0)).toBe(0);
    expect(distanceBin(1e-30)).toBe(0);
    expect(distanceBin(1e30)).toBe(distanceBins - 1);
    expect(distanceBin(Infinity)).toBe(distanceBins - 1);
  });

  it('gives a share between what its bin leaves out and what its bin takes in', () => {
    fc.assert(
      fc.property(distances, fc.double({ min: 0, max: 200, noNaN: true }), (points, distance) => {
        const histogram = new Float64Array(distanceBins);
        for (const point of points) histogram[distanceBin(point)]! += 1;
        const share = shareBelow(cumulativeHistogram(histogram, 1), 0, distance);
        const bin = distanceBin(distance);
        const below = points.filter((point) => distanceBin(point) < bin).length;
        const upTo = points.filter((point) => distanceBin(point) <= bin).length;
        expect(share).toBeGreaterThanOrEqual(below / points.length - 1e-12);
        expect(share).toBeLessThanOrEqual(upTo / points.length + 1e-12);
      }),
    );
  });

  it('rises with the distance', () => {
    const histogram = Float64Array.from({ length: distanceBins }, (_, bin) => bin % 3);
    const cumulative = cumulativeHistogram(histogram, 1);
    let before = 0;
    for (let distance = 0; distance < 100; distance += 0.1) {
      const share = shareBelow(cumulative, 0, distance);
      expect(share).toBeGreaterThanOrEqual(before);
      before = share;
    }
    expect(before).toBe(1);
  });

  it('says 0 for a cluster without points', () => {
    expect(shareBelow(cumulativeHistogram(new Float64Array(distanceBins), 1), 0, 5)).toBe(0);
  });
});
