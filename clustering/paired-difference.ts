// Is one of two numbers smaller, block after block? Differences of the same blocks, the older ones fading, as a mean and how sure
// its sign is: a one-sided t-like ratio through the normal distribution. Blocks that follow each other are alike, so
// the count is lowered by their correlation, n·(1 − r)/(1 + r).

/** Blocks after which one counts half. */
const halfLifeBlocks = 200;
const fade = 2 ** (-1 / halfLifeBlocks);

export class PairedDifference {
  /** Σ w, Σ w², Σ w·x, Σ w·x², Σ w·x·before, the last x. */
  #sums: Float64Array;

  constructor(record: Float64Array = new Float64Array(6)) {
    this.#sums = record.slice();
  }

  add(difference: number): void {
    const [weight, squares, sum, square, product, before] = this.#sums;
    this.#sums = Float64Array.of(
      weight! * fade + 1,
      squares! * fade * fade + 1,
      sum! * fade + difference,
      square! * fade + difference * difference,
      product! * fade + difference * before!,
      difference,
    );
  }

  /** Blocks that the mean rests on, at most some 570. */
  get count(): number {
    const [weight, squares] = this.#sums;
    return squares! > 0 ? (weight! * weight!) / squares! : 0;
  }

  get mean(): number {
    const [weight, , sum] = this.#sums;
    return weight! > 0 ? sum! / weight! : 0;
  }

  /** How sure it is that the true mean is below `limit`, 0…1; 0.5 when nothing is known. */
  confidenceBelow(limit: number): number {
    const [weight, , sum, square, product] = this.#sums;
    if (!(this.count > 2)) return 0.5;
    const mean = sum! / weight!;
    const variance = Math.max(0, square! / weight! - mean * mean);
    if (variance === 0) return mean < limit ? 1 : mean > limit ? 0 : 0.5;
    const alike = Math.min(0.95, Math.max(0, (product! / weight! - mean * mean) / variance));
    const count = (this.count * (1 - alike)) / (1 + alike);
    return normalShareBelow((limit - mean) / Math.sqrt(variance / count));
  }

  record(): Float64Array {
    return this.#sums.slice();
  }
}

/** Φ(z), to 1e-7: M. Abramowitz and I. Stegun, 1964, formula 26.2.17. */
function normalShareBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const factors = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
  const tail = density * t * factors.reduce((sum, factor) => sum * t + factor, 0);
  return z > 0 ? 1 - tail : tail;
}
