// Where a range's rows come from: a block of them at a time, in order, as often as asked.

import type { Kernels } from '../kernels/kernels.ts';
import { enterSpace } from '../metric.ts';
import { scaledMax } from '../scaler.ts';
import type { RangeSpace } from './steps.ts';

/** Some rows of a range; a reader may use the memory again for the next block. */
export interface RowBlock {
  /** Of its first row. */
  readonly from: number;
  readonly n: number;
  /** n × dims. */
  readonly values: Float32Array;
  /** Undefined when each is 1. */
  readonly weights: Float32Array | undefined;
}

export interface RangeRows {
  readonly n: number;
  /** As they came. Only before the first `scaled`. */
  raw(): Iterable<RowBlock>;
  /** In a space, scaled. It is the same one for as long as the rows are kept. */
  scaled(space: RangeSpace): Iterable<RowBlock>;
}

/** Writes n rows as they stand in the space, scaled, into `out`, which may be `values`. */
export function scaleRows(
  values: Float32Array,
  n: number,
  dims: number,
  space: RangeSpace,
  kernels: Kernels,
  out: Float32Array,
): void {
  const isPlain = space.metric === 'euclidean' && space.missing !== 'mean';
  if (!isPlain) enterSpace(values, n, dims, space, out);
  kernels.scalePoints(isPlain ? values : out, n, dims, space, scaledMax, out);
}

const blockRows = 8_192;

/** Rows in memory, of which it takes possession: they are scaled in place. */
export class MemoryRows implements RangeRows {
  readonly n: number;
  readonly #values: Float32Array;
  readonly #weights: Float32Array | undefined;
  readonly #dims: number;
  readonly #kernels: Kernels;
  #isScaled = false;

  /** @param values n × dims */
  constructor(
    values: Float32Array,
    weights: Float32Array | undefined,
    dims: number,
    kernels: Kernels,
  ) {
    this.n = values.length / dims;
    this.#values = values;
    this.#weights = weights;
    this.#dims = dims;
    this.#kernels = kernels;
  }

  *raw(): Generator<RowBlock> {
    for (let from = 0; from < this.n; from += blockRows) {
      const to = Math.min(from + blockRows, this.n);
      const values = this.#values.subarray(from * this.#dims, to * this.#dims);
      yield { from, n: to - from, values, weights: this.#weights?.subarray(from, to) };
    }
  }

  *scaled(space: RangeSpace): Generator<RowBlock> {
    if (!this.#isScaled) {
      const values = this.#values;
      scaleRows(values, this.n, this.#dims, space, this.#kernels, values);
      this.#isScaled = true;
    }
    yield* this.raw();
  }
}
