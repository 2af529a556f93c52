// Weight, mean and squares of each feature, of the values that are there: by Welford's recurrence within a range (D. West, 1979),
// by Chan's between ranges (T. Chan and others, 1983). In the fixed order of ranges: the same bits on any machines.

import { directionsOf, type Metric } from '../metric.ts';
import type { MissingPolicy } from '../missing-values.ts';
import { deviation, type Scaler } from '../scaler.ts';
import type { Moments } from './steps.ts';

export class MomentsAccumulator {
  readonly #dims: number;
  readonly #ofDirections: boolean;
  readonly #totals: Float64Array;
  readonly #mean: Float64Array;
  readonly #squares: Float64Array;
  #directions = new Float32Array(0);
  #rows = 0;
  #weight = 0;

  /** With cosine and missing values, the means are of directions (metric.ts). */
  constructor(dims: number, metric: Metric, missing: MissingPolicy) {
    this.#dims = dims;
    this.#ofDirections = metric === 'cosine' && missing === 'mean';
    this.#totals = new Float64Array(dims);
    this.#mean = new Float64Array(dims);
    this.#squares = new Float64Array(dims);
  }

  /** @param values n × dims, as they came */
  add(values: Float32Array, weights: Float32Array | undefined, n: number): void {
    const dims = this.#dims;
    let rows = values;
    if (this.#ofDirections) {
      if (this.#directions.length < n * dims) this.#directions = new Float32Array(n * dims);
      directionsOf(values, n, dims, this.#directions);
      rows = this.#directions;
    }
    for (let row = 0; row < n; row++) {
      const weight = weights === undefined ? 1 : weights[row]!;
      this.#weight += weight;
      if (weight > 0) addRow(rows, row * dims, weight, this.#totals, this.#mean, this.#squares);
    }
    this.#rows += n;
  }

  result(): Moments {
    return {
      kind: 'moments',
      rows: this.#rows,
      weight: this.#weight,
      totals: this.#totals,
      mean: this.#mean,
      squares: this.#squares,
    };
  }
}

function addRow(
  values: Float32Array,
  base: number,
  weight: number,
  totals: Float64Array,
  mean: Float64Array,
  squares: Float64Array,
): void {
  for (let d = 0; d < totals.length; d++) {
    const value = values[base + d]!;
    if (Number.isNaN(value)) continue;
    const total = totals[d]! + weight;
    const before = value - mean[d]!;
    totals[d] = total;
    mean[d]! += (weight / total) * before;
    squares[d]! += weight * before * (value - mean[d]!);
  }
}

/** Adds the moments of other rows to `into`. */
export function mergeMoments(into: Moments, other: Moments): Moments {
  const { totals, mean, squares } = into;
  for (let d = 0; d < totals.length; d++) {
    const weight = other.totals[d]!;
    if (!(weight > 0)) continue;
    const total = totals[d]! + weight;
    const apart = other.mean[d]! - mean[d]!;
    squares[d]! += other.squares[d]! + (apart * apart * totals[d]! * weight) / total;
    mean[d]! += (apart * weight) / total;
    totals[d] = total;
  }
  return { ...into, rows: into.rows + other.rows, weight: into.weight + other.weight };
}

export function scalerOfMoments({ totals, mean, squares }: Moments): Scaler {
  const scale = squares.map((square, d) =>
    totals[d]! > 0 ? deviation(square / totals[d]!, mean[d]!) : 1,
  );
  return { mean: mean.slice(), scale };
}
