// Seeded points for benches: a mixture of k Gaussians, or the same box without any structure.

import { Random } from '../support/index.ts';

export interface PointSet {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  /** n × dims. */
  readonly values: Float32Array;
  /** k × dims: where the mixture comes from. */
  readonly centres: Float64Array;
}

export interface PointSetOptions {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  /** Standard deviation about the centres, which fill [−1, 1]^dims; undefined: uniform points in that box. */
  readonly noise: number | undefined;
  readonly seed: number;
}

export function pointSet({ n, dims, k, noise, seed }: PointSetOptions): PointSet {
  const random = new Random(seed);
  const centres = Float64Array.from({ length: k * dims }, () => 2 * random.float() - 1);
  const values = new Float32Array(n * dims);
  for (let row = 0; row < n; row++) {
    const base = random.below(k) * dims;
    for (let d = 0; d < dims; d++) {
      values[row * dims + d] =
        noise === undefined ? 2 * random.float() - 1 : centres[base + d]! + noise * random.normal();
    }
  }
  return { n, dims, k, values, centres };
}
