// Seeded points for tests, and the plain loop that a stream is: bootstrap, then assign, add up, fold, batch by batch.

import { Random } from '../../support/index.ts';
import { Assigner } from '../assigner.ts';
import { bootstrapModel } from '../bootstrap.ts';
import type { HalfLife } from '../half-life.ts';
import { referenceKernels } from '../kernels/reference.ts';
import { DeltaAccumulator } from '../mini-batch.ts';
import { OnlineModel } from '../online-model.ts';
import { QualityAccumulator, type QualityStatistics } from '../quality-accumulator.ts';

export function inPoints(value: number): HalfLife {
  return { unit: 'points', value };
}

export interface Points {
  readonly n: number;
  readonly dims: number;
  readonly values: Float32Array;
}

/** Point i from centre (drawn) of k centres in [−10, 10]^dims, unit variance, plus what `shift` adds. */
export function mixture(
  n: number,
  dims: number,
  k: number,
  seed: number,
  shift: (row: number) => number = () => 0,
): Points {
  const random = new Random(seed);
  const centres = Float64Array.from({ length: k * dims }, () => random.float() * 20 - 10);
  const values = new Float32Array(n * dims);
  for (let row = 0; row < n; row++) {
    const centre = random.below(k);
    for (let d = 0; d < dims; d++) {
      values[row * dims + d] = centres[centre * dims + d]! + random.normal() + shift(row);
    }
  }
  return { n, dims, values };
}

/** Learns the points in order; calls back with what each batch looked like to the model before it was folded. */
export function streamThrough(
  { n, dims, values }: Points,
  options: { k: number; batch: number; bootstrapRows?: number; seed?: number },
  onBatch: (quality: QualityStatistics, model: OnlineModel) => void = () => {},
): OnlineModel {
  const { k, batch, bootstrapRows = 2000, seed = 1 } = options;
  const rows = Math.min(n, bootstrapRows);
  const sample = values.subarray(0, rows * dims);
  const kernels = referenceKernels;
  const start = bootstrapModel({ values: sample, n: rows, dims, k, seed, scaling: true, kernels });
  const model = OnlineModel.begin(start);
  const delta = new DeltaAccumulator(start);
  for (let from = 0; from < n; from += batch) {
    const m = Math.min(batch, n - from);
    const points = values.subarray(from * dims, (from + m) * dims);
    const current = { ...start, ...model.snapshot() };
    const assigner = new Assigner(current, kernels);
    const quality = new QualityAccumulator(current, kernels);
    const weights = new Float32Array(m).fill(1);
    const offsets = Float64Array.from({ length: m }, (_, i) => from + i);
    assigner.assign(points, m);
    quality.add(assigner, weights, offsets, m);
    delta.add(points, weights, assigner.labels, assigner.distances, offsets, m);
    onBatch(quality.take(), model);
    model.fold(delta.take());
  }
  return model;
}
