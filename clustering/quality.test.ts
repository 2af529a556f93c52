import { describe, expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { distanceBins } from './distance-histogram.ts';
import { referenceKernels } from './kernels/reference.ts';
import { clusteringQuality, clusterRadius, imbalance, smoothedRadii } from './quality.ts';
import { QualityAccumulator, type QualityStatistics } from './quality-accumulator.ts';
import { mixture } from './testing/streams.ts';

describe('quality from statistics', () => {
  it('is inertia, weight and their ratio', () => {
    const quality = clusteringQuality({
      weights: Float64Array.of(2, 6),
      sumSquares: Float64Array.of(4, 12),
    });
    expect(quality).toEqual({ inertia: 16, weight: 8, meanSquaredDistance: 2, imbalance: 1.25 });
  });

  it('calls even clusters 1 and one that has everything k', () => {
    expect(imbalance(Float64Array.of(3, 3, 3))).toBeCloseTo(1, 12);
    expect(imbalance(Float64Array.of(0, 0, 9))).toBe(3);
    expect(imbalance(Float64Array.of(0, 0))).toBe(1);
  });

  it('has a radius of 0 without points, but never measures by it', () => {
    expect(clusterRadius(0, 0)).toBe(0);
    expect(clusterRadius(8, 2)).toBe(2);
    const radii = smoothedRadii({
      weights: Float64Array.of(0, 1e6),
      sumSquares: Float64Array.of(0, 4e6),
    });
    expect(radii[0]).toBeCloseTo(2, 5);
    expect(radii[1]).toBeCloseTo(2, 5);
  });
});

describe('the quality accumulator', () => {
  const { n, dims, values } = mixture(500, 2, 3, 8);
  const centroids = Float64Array.of(-5, 0, 5, 5, 0, -5);
  const model = {
    k: 3,
    dims,
    centroids,
    reference: Float64Array.from(centroids, (value) => value + 1),
    mean: Float64Array.of(1, 2),
    scale: Float64Array.of(2, 4),
    weights: Float64Array.of(10, 20, 30),
    sumSquares: Float64Array.of(40, 20, 60),
    distanceHistogram: new Float64Array(3 * distanceBins).fill(1),
  };
  const offsets = Float64Array.from({ length: n }, (_, row) => row);
  const weights = Float32Array.from({ length: n }, (_, row) => 1 + (row % 3));

  function accumulate(batch: number): QualityStatistics {
    const assigner = new Assigner(model, referenceKernels);
    const quality = new QualityAccumulator(model, referenceKernels);
    for (let from = 0; from < n; from += batch) {
      const to = Math.min(n, from + batch);
      const points = values.subarray(from * dims, to * dims);
      assigner.assign(points, to - from);
      const [w, o] = [weights.subarray(from, to), offsets.subarray(from, to)];
      quality.add(assigner, w, o, to - from);
    }
    return quality.take();
  }

  it('adds up what the answers say', () => {
    const assigner = new Assigner(model, referenceKernels);
    assigner.assign(values, n);
    const { count, weight, inertia, outliers, featureSums } = accumulate(n);
    let [squares, far, feature] = [0, 0, 0];
    for (let row = 0; row < n; row++) {
      squares += weights[row]! * assigner.distances[row]! ** 2;
      if (assigner.outlierScores[row]! >= 0.99) far += 1;
      feature += (values[row * dims]! - 1) / 2;
    }
    expect(count).toBe(n);
    expect(weight).toBe(weights.reduce((sum, value) => sum + value, 0));
    expect(inertia).toBeCloseTo(squares, 6);
    expect(outliers).toBe(far);
    expect(featureSums[0]).toBeCloseTo(feature, 3);
  });

  it('counts every fourth offset by its nearest reference centroid', () => {
    const bins = new Assigner({ ...model, centroids: model.reference }, referenceKernels);
    bins.assign(values, n);
    const counts = [0, 0, 0];
    for (let row = 0; row < n; row += 4) counts[bins.labels[row]!]! += 1;
    expect([...accumulate(n).clusterCounts]).toEqual(counts);
  });

  it('gives the same bits wherever batches end', () => {
    expect(accumulate(7)).toEqual(accumulate(n));
    expect(accumulate(1)).toEqual(accumulate(n));
  });
});
