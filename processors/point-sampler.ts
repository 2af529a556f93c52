// Every so many offsets one point, for whoever looks at the stream without being in its way. Rows gather until they are worth a
// record; those of a task that dies in between are left out, which a sample may.

import type { BootstrapSample, PointBatch } from '../schemas/index.ts';

const rowsPerRecord = 64;

export class PointSampler {
  readonly #every: number;
  #values: number[] = [];
  #weights: number[] = [];
  #fromOffset = -1;
  #nextOffset = -1;
  #timestampMs = -1;
  #shape: Pick<PointBatch, 'dims' | 'features'> = { dims: 0, features: [] };

  /** @param every each row stands for so many */
  constructor(every: number) {
    this.#every = every;
  }

  add({ n, dims, features, offsets, values, weights, timestamps, nextOffset }: PointBatch): void {
    if (dims !== this.#shape.dims) this.#clear({ dims, features });
    for (let row = 0; row < n; row += 1) {
      if (offsets[row]! % this.#every !== 0) continue;
      if (this.#fromOffset < 0) this.#fromOffset = offsets[row]!;
      for (let i = row * dims; i < (row + 1) * dims; i += 1) this.#values.push(values[i]!);
      this.#weights.push(weights[row]! * this.#every);
      this.#timestampMs = Math.max(this.#timestampMs, timestamps[row]!);
    }
    this.#nextOffset = nextOffset;
  }

  /** @returns undefined while there are too few rows for a record */
  take(partition: number): BootstrapSample | undefined {
    if (this.#weights.length < rowsPerRecord) return undefined;
    const sample: BootstrapSample = {
      ...{ kind: 'sample', partition, ...this.#shape },
      ...{ fromOffset: this.#fromOffset, nextOffset: this.#nextOffset },
      timestampMs: this.#timestampMs,
      values: Float32Array.from(this.#values),
      weights: Float32Array.from(this.#weights),
    };
    this.#clear(this.#shape);
    return sample;
  }

  #clear(shape: Pick<PointBatch, 'dims' | 'features'>): void {
    this.#shape = shape;
    this.#values = [];
    this.#weights = [];
    this.#fromOffset = -1;
    this.#timestampMs = -1;
  }
}
