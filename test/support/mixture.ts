// A seeded stream for whole-system tests: Gaussian clusters, with a bad record now and then, each record carrying its
// sequence number as key so that loss, repetition and order can be counted.
import { RecordBatchBuilder } from '../../schemas/index.ts';
import { Random } from '../../support/index.ts';

export interface MixtureOptions {
  readonly seed: number;
  readonly dims: number;
  readonly clusters: number;
  /** Every so many records one is not a point; 0: never. */
  readonly badEvery: number;
  /** Added to every feature: a shifted stream. */
  readonly shift?: number;
}

const bad = ['{"vector":[1,2', '{"vector":[1,null]}', 'null', '{"vector":["a"]}', '[]', ''];

export class Mixture {
  readonly #options: MixtureOptions;
  readonly #random: Random;
  readonly #centres: number[][];
  #sequence = 0;

  constructor(options: MixtureOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#centres = Array.from({ length: options.clusters }, () =>
      Array.from({ length: options.dims }, () => 20 * this.#random.float() - 10),
    );
  }

  point(): number[] {
    const centre = this.#centres[this.#random.below(this.#centres.length)]!;
    const { shift = 0 } = this.#options;
    return centre.map((mean) => Math.fround(mean + shift + this.#random.normal()));
  }

  /** The next record: key "p-<sequence>", value JSON. */
  record(): { key: string; value: string } {
    const sequence = this.#sequence++;
    const { badEvery } = this.#options;
    const key = `p-${sequence}`;
    if (badEvery > 0 && sequence % badEvery === badEvery - 1) {
      return { key, value: bad[Math.floor(sequence / badEvery) % bad.length]! };
    }
    return { key, value: JSON.stringify({ vector: this.point() }) };
  }

  batch(rows: number, timestampMs: number): RecordBatchBuilder {
    const builder = new RecordBatchBuilder(rows, rows * 128);
    const encoder = new TextEncoder();
    for (let row = 0; row < rows; row += 1) {
      const { key, value } = this.record();
      builder.append(timestampMs + row, encoder.encode(key), encoder.encode(value));
    }
    return builder;
  }
}
