// Since when has the stream looked as it does now? ADWIN's window over one number for every block of points: the largest shift of
// a feature's mean from the generation's reference window, in model-space units. Points and reference alone decide it, so it
// stays where a change has brought it, while a distance to centroids comes back as soon as the model has followed.
//
// A description, not an alarm: it answers how far back history is still of this regime, no further than its generation, by whose
// scaler features are measured. Blind to a change that leaves the largest shift as large, and to one of the spread alone.

import { Adwin, type AdwinState } from './adwin.ts';

/** Where in its generation a stretch begins. */
export interface StretchBegin {
  /** Points of the generation before it. */
  readonly points: number;
  /** Event time: the newest of the first summary in it. */
  readonly timestampMs: number;
}

/** Sums over `count` points, one for each feature, in model-space units. */
export interface FeatureSums {
  readonly count: number;
  readonly featureSums: ArrayLike<number>;
}

interface Block extends FeatureSums {
  readonly from: StretchBegin;
  readonly featureSums: readonly number[];
}

/** Plain data, JSON both ways without loss. */
export interface StableStretchState {
  /** Of the generation. */
  readonly points: number;
  readonly block: Block | null;
  readonly adwin: AdwinState<StretchBegin>;
  /** Where the generation began; null before its first point. */
  readonly first: StretchBegin | null;
}

/** A larger shift counts as this one, as does one that is no number: one wild point is no other regime. */
const shiftMax = 10;

export class StableStretch {
  readonly #blockPoints: number;
  readonly #adwin: Adwin<StretchBegin>;
  #points: number;
  #block: Block | null;
  #first: StretchBegin | null;

  constructor(blockPoints: number, state?: StableStretchState) {
    this.#blockPoints = blockPoints;
    this.#adwin = new Adwin({ checkEvery: 1 }, state?.adwin);
    this.#points = state?.points ?? 0;
    this.#block = state?.block ?? null;
    this.#first = state?.first ?? null;
  }

  /** A block closes with the summary that fills it. @param reference null while there is none: then nothing can be cut */
  add(
    summary: FeatureSums & { readonly timestampMs: number },
    reference: FeatureSums | null,
  ): void {
    const from = { points: this.#points, timestampMs: summary.timestampMs };
    this.#first ??= from;
    this.#points += summary.count;
    const block = grown(this.#block ?? { from, count: 0, featureSums: [] }, summary);
    this.#block = block;
    if (block.count < this.#blockPoints) return;
    this.#block = null;
    if (reference === null) return;
    const begin = this.#adwin.width === 0 ? this.#first : block.from;
    const shift = largestShift(reference, block);
    this.#adwin.add(shift < shiftMax ? shift : shiftMax, begin, block.count);
  }

  /** Event time since which nothing has changed; -1 before the first point. */
  get sinceMs(): number {
    return this.#begin?.timestampMs ?? -1;
  }

  /** Points since then. */
  get points(): number {
    return this.#points - (this.#begin?.points ?? 0);
  }

  state(): StableStretchState {
    const adwin = this.#adwin.state();
    return { points: this.#points, block: this.#block, adwin, first: this.#first };
  }

  get #begin(): StretchBegin | null {
    return this.#adwin.from ?? this.#first;
  }
}

/** Largest |mean − reference mean| of a feature. */
export function largestShift(reference: FeatureSums, sums: FeatureSums): number {
  let largest = 0;
  for (let d = 0; d < sums.featureSums.length; d++) {
    const before = reference.featureSums[d]! / reference.count;
    largest = Math.max(largest, Math.abs(sums.featureSums[d]! / sums.count - before));
  }
  return largest;
}

function grown({ from, count, featureSums }: Block, more: FeatureSums): Block {
  const sums = Array.from(more.featureSums, (sum, d) => sum + (featureSums[d] ?? 0));
  return { from, count: count + more.count, featureSums: sums };
}
