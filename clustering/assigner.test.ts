import { describe, expect, it } from 'vitest';
import { type AssignableModel, Assigner } from './assigner.ts';
import { distanceBin, distanceBins } from './distance-histogram.ts';
import { referenceKernels } from './kernels/reference.ts';

function modelOf(centroids: number[], overrides: Partial<AssignableModel> = {}): AssignableModel {
  const k = centroids.length;
  return {
    k,
    dims: 1,
    centroids: Float64Array.from(centroids),
    mean: Float64Array.of(0),
    scale: Float64Array.of(1),
    weights: new Float64Array(k).fill(1),
    sumSquares: new Float64Array(k).fill(1),
    distanceHistogram: new Float64Array(k * distanceBins),
    ...overrides,
  };
}

describe('the assigner', () => {
  it('answers with the nearest cluster, the distance and the margin', () => {
    const assigner = new Assigner(modelOf([0, 10]), referenceKernels);
    assigner.assign(Float32Array.of(1, 5, 10), 3);
    expect([...assigner.labels.subarray(0, 3)]).toEqual([0, 0, 1]);
    expect([...assigner.distances.subarray(0, 3)]).toEqual([1, 5, 0]);
    expect(assigner.margins[0]).toBeCloseTo(8 / 9, 6);
    expect([...assigner.margins.subarray(1, 3)]).toEqual([0, 1]);
  });

  it('measures in the model space, with centroids in input units', () => {
    const scaler = { mean: Float64Array.of(100), scale: Float64Array.of(10) };
    const assigner = new Assigner(modelOf([100, 200], scaler), referenceKernels);
    assigner.assign(Float32Array.of(120), 1);
    expect(assigner.labels[0]).toBe(0);
    expect(assigner.distances[0]).toBe(2);
  });

  it('has margin 1 with one cluster and 0 between twins', () => {
    const single = new Assigner(modelOf([3]), referenceKernels);
    single.assign(Float32Array.of(4), 1);
    expect(single.margins[0]).toBe(1);
    const twins = new Assigner(modelOf([3, 3]), referenceKernels);
    twins.assign(Float32Array.of(3), 1);
    expect([twins.labels[0], twins.margins[0]]).toEqual([0, 0]);
  });

  it('scores a distance by the share of the cluster below it, 0 without history', () => {
    const distanceHistogram = new Float64Array(distanceBins);
    distanceHistogram[distanceBin(1)] = 99;
    distanceHistogram[distanceBin(8)] = 1;
    const assigner = new Assigner(modelOf([0], { distanceHistogram }), referenceKernels);
    assigner.assign(Float32Array.of(0.5, 4, 50), 3);
    expect(assigner.outlierScores[0]).toBe(0);
    expect(assigner.outlierScores[1]).toBeCloseTo(0.99, 6);
    expect(assigner.outlierScores[2]).toBe(1);
    const fresh = new Assigner(modelOf([0]), referenceKernels);
    fresh.assign(Float32Array.of(50), 1);
    expect(fresh.outlierScores[0]).toBe(0);
  });

  it('learns nothing: the same point gets the same answer, in any batch', () => {
    const assigner = new Assigner(modelOf([0, 4, 9]), referenceKernels);
    const points = Float32Array.from({ length: 1000 }, (_, i) => i / 100);
    assigner.assign(points, 1000);
    const together = assigner.labels.slice(0, 1000);
    for (let row = 0; row < 1000; row++) {
      assigner.assign(points.subarray(row, row + 1), 1);
      expect(assigner.labels[0]).toBe(together[row]);
    }
  });
});
