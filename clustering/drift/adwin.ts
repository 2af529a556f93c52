// ADWIN2, a window over a stream that is as long as the mean of its values has not changed (A. Bifet and R. Gavaldà, "Learning
// from time-changing data with adaptive windowing", 2007), with the bound and the constants of its authors' ADWIN.java in MOA:
//
// 1. A value joins the window as a bucket of its own. Where more than M buckets hold 2^r values each, the two oldest of them
//    become one of 2^(r+1): an exponential histogram, of about M·log₂(n/M) buckets for n values.
// 2. Each border between two buckets parts the window into n₀ older and n₁ newer values, both at least s. It is a cut when
//
//      |μ₀ − μ₁| > √(2·m·σ²·δ') + (2/3)·δ'·m      m = 1/(n₀ − s + 1) + 1/(n₁ − s + 1)      δ' = ln(2·ln(n)/δ)
//
//    with σ² the variance of the whole window.
// 3. While any border is a cut, the oldest bucket is dropped, and all borders are looked at again.
//
// O(log n) memory, and O(log n) a look at the borders. The bound is proven for values in 0…1; in other units δ is a level, not a
// probability. Unlike there, nothing is kept but the buckets: what a window knows is merged from them anew (Chan's formula), so
// nothing cancels and no rounding adds up. A value may be the mean of `weight` points: means are then over points, and σ² is the
// variance of such values.

import { assert } from '../../support/index.ts';

export interface AdwinOptions {
  /** δ: the smaller, the surer a cut. */
  readonly delta: number;
  /** Borders are looked at after every so many values. */
  readonly checkEvery: number;
  /** M. */
  readonly bucketsPerRow: number;
  /** s: values on the shorter side of a border. */
  readonly sideMin: number;
  /** No border is looked at in a window of so few values. */
  readonly widthMin: number;
}

export const adwinDefaults: AdwinOptions = {
  delta: 0.002,
  checkEvery: 32,
  bucketsPerRow: 5,
  sideMin: 5,
  widthMin: 10,
};

/** Values that stand together for their moments. */
export interface AdwinBucket<Place> {
  /** Of its oldest value. */
  readonly from: Place;
  readonly weight: number;
  /** Of the values, by weight. */
  readonly mean: number;
  /** Σ weight·(value − mean)². */
  readonly squares: number;
}

/** Plain data, JSON both ways without loss where places are. */
export interface AdwinState<Place> {
  /** Row r: buckets of 2^r values, oldest first. The last row is the oldest. */
  readonly rows: readonly (readonly AdwinBucket<Place>[])[];
  /** Values since the borders were last looked at. */
  readonly unchecked: number;
}

/** One side of a border. */
interface Side {
  readonly values: number;
  readonly weight: number;
  readonly mean: number;
  readonly squares: number;
}

const nothing: Side = { values: 0, weight: 0, mean: 0, squares: 0 };

/** @typeParam Place whatever says where in the stream a value stood */
export class Adwin<Place> {
  readonly #options: AdwinOptions;
  readonly #rows: AdwinBucket<Place>[][];
  #unchecked: number;

  constructor(options: Partial<AdwinOptions> = {}, state?: AdwinState<Place>) {
    this.#options = { ...adwinDefaults, ...options };
    const { bucketsPerRow, checkEvery, sideMin } = this.#options;
    assert(bucketsPerRow >= 2 && checkEvery >= 1 && sideMin >= 1, 'the settings of ADWIN fit');
    this.#rows = state?.rows.map((row) => [...row]) ?? [];
    this.#unchecked = state?.unchecked ?? 0;
  }

  /** @param weight points that the value is the mean of. @returns whether older values were dropped */
  add(value: number, from: Place, weight = 1): boolean {
    assert(Number.isFinite(value) && weight > 0, 'a value is a number and stands for something');
    this.#insert({ from, weight, mean: value, squares: 0 });
    this.#unchecked += 1;
    if (this.#unchecked < this.#options.checkEvery) return false;
    this.#unchecked = 0;
    return this.#shorten();
  }

  /** Values in the window. */
  get width(): number {
    return this.#rows.reduce((sum, buckets, row) => sum + buckets.length * 2 ** row, 0);
  }

  /** Points in the window: Σ weight. */
  get weight(): number {
    return this.#whole().weight;
  }

  /** Of its values, by weight; 0 of an empty window. */
  get mean(): number {
    return this.#whole().mean;
  }

  /** Of its values, by weight; 0 of an empty window. */
  get variance(): number {
    return varianceOf(this.#whole());
  }

  /** Where its oldest value stood; undefined of an empty window. */
  get from(): Place | undefined {
    return this.#rows.at(-1)?.[0]?.from;
  }

  state(): AdwinState<Place> {
    return { rows: this.#rows.map((row) => [...row]), unchecked: this.#unchecked };
  }

  #insert(bucket: AdwinBucket<Place>): void {
    let newest = bucket;
    for (let row = 0; ; row++) {
      this.#rows[row] ??= [];
      const buckets = this.#rows[row]!;
      buckets.push(newest);
      if (buckets.length <= this.#options.bucketsPerRow) return;
      const [oldest, next] = buckets.splice(0, 2);
      newest = { from: oldest!.from, ...merged(oldest!, next!) };
    }
  }

  #shorten(): boolean {
    let dropped = false;
    while (this.#hasCut()) {
      this.#rows.at(-1)!.shift();
      if (this.#rows.at(-1)!.length === 0) this.#rows.pop();
      dropped = true;
    }
    return dropped;
  }

  #hasCut(): boolean {
    if (this.width <= this.#options.widthMin) return false;
    const buckets = this.#oldestFirst();
    const newer = newerSides(buckets);
    const isCut = cutTest(newer[0]!, this.#options);
    let older = nothing;
    for (let border = 1; border < buckets.length; border++) {
      older = joined(older, buckets[border - 1]!);
      if (isCut(older, newer[border]!)) return true;
    }
    return false;
  }

  /** The buckets, each as a side of its own. */
  #oldestFirst(): Side[] {
    const sides: Side[] = [];
    for (let row = this.#rows.length - 1; row >= 0; row--) {
      const values = 2 ** row;
      for (const { weight, mean, squares } of this.#rows[row]!) {
        sides.push({ values, weight, mean, squares });
      }
    }
    return sides;
  }

  #whole(): Side {
    return this.#oldestFirst().reduce(joined, nothing);
  }
}

function cutTest(window: Side, { delta, sideMin }: AdwinOptions) {
  const level = Math.log((2 * Math.log(window.values)) / delta);
  const variance = varianceOf(window);
  return (older: Side, newer: Side): boolean => {
    if (older.values < sideMin || newer.values < sideMin) return false;
    const m = 1 / (older.values - sideMin + 1) + 1 / (newer.values - sideMin + 1);
    const bound = Math.sqrt(2 * m * variance * level) + (2 / 3) * level * m;
    return Math.abs(older.mean - newer.mean) > bound;
  };
}

/** Entry b: all buckets from b on. */
function newerSides(buckets: readonly Side[]): Side[] {
  const sides = new Array<Side>(buckets.length);
  let newer = nothing;
  for (let border = buckets.length - 1; border >= 0; border--) {
    newer = joined(buckets[border]!, newer);
    sides[border] = newer;
  }
  return sides;
}

function joined(older: Side, newer: Side): Side {
  if (older.values === 0) return newer;
  if (newer.values === 0) return older;
  return { values: older.values + newer.values, ...merged(older, newer) };
}

type Moments = Omit<Side, 'values'>;

/** T. F. Chan, G. H. Golub and R. J. LeVeque, 1979. */
function merged(older: Moments, newer: Moments): Moments {
  const weight = older.weight + newer.weight;
  const apart = newer.mean - older.mean;
  return {
    weight,
    mean: older.mean + (apart * newer.weight) / weight,
    squares: older.squares + newer.squares + (apart * apart * older.weight * newer.weight) / weight,
  };
}

function varianceOf({ weight, squares }: Moments): number {
  return weight > 0 ? squares / weight : 0;
}
