// After how much of what a point counts half.
//
// In event time a point counts 2^((t − T₀)/h) about a landmark T₀ ahead of the newest time. Landmarks are multiples of h, so
// that moving from one to another multiplies by a whole power of two, which is exact: what a point weighs depends on its
// timestamp alone (rounded once, to float32), never on the batch it came in, and numbers stay between 2⁻⁵⁰ and 1.

export type HalfLifeUnit = 'points' | 'batches' | 'ms';

/** A batch is a delta: what one task learned between two commits. */
export interface HalfLife {
  readonly unit: HalfLifeUnit;
  readonly value: number;
}

/** Half-lives after which a point is left out: it would count less than 10⁻¹⁵. */
export const tooLateHalfLives = 50;

export function defaultHalfLife(k: number): HalfLife {
  return { unit: 'points', value: 1000 * k };
}

/** How much of its unit a model remembers: what all weights add up to in the long run, at one each. */
export function memoryOf({ value }: HalfLife): number {
  return value / Math.LN2;
}

/** The landmark for a newest time, in half-lives: the first multiple after it. */
export function landmarkAfter(timestampMs: number, halfLifeMs: number): number {
  return Math.floor(timestampMs / halfLifeMs) + 1;
}

/** 2⁻ⁿ, exactly. */
const inversePowers = Float64Array.from({ length: tooLateHalfLives + 1 }, (_, n) => 2 ** -n);

/** Weighs points by their event time, in the order of their offsets. */
export class EventTimeWeights {
  readonly #halfLifeMs: number;
  readonly #firstLandmark: number;
  /** Later timestamps count as this one. */
  capMs = Infinity;
  /** In half-lives; below zero while no time is known. */
  #landmark: number;
  #tooLate = 0;
  /** Of the rows `weigh` was last called for. */
  weights = new Float32Array(0);

  /** @param landmarkMs where to begin, -1 when no time is known. */
  constructor(halfLifeMs: number, landmarkMs: number) {
    this.#halfLifeMs = halfLifeMs;
    this.#firstLandmark = landmarkMs < 0 ? -1 : Math.round(landmarkMs / halfLifeMs);
    this.#landmark = this.#firstLandmark;
  }

  get landmarkMs(): number {
    return this.#landmark < 0 ? -1 : this.#landmark * this.#halfLifeMs;
  }

  /** Points left out since `restart`. */
  get tooLate(): number {
    return this.#tooLate;
  }

  /** @returns by how many half-lives this point raises the landmark. */
  raise(timestampMs: number): number {
    const landmark = landmarkAfter(Math.min(timestampMs, this.capMs), this.#halfLifeMs);
    if (landmark <= this.#landmark) return 0;
    const raised = this.#landmark < 0 ? 0 : landmark - this.#landmark;
    this.#landmark = landmark;
    return raised;
  }

  /** Fills `weights` from row `from` up to the first that raises the landmark. @returns that row */
  weigh(given: Float32Array, timestamps: Float64Array, from: number, n: number): number {
    const halfLifeMs = this.#halfLifeMs;
    const landmark = this.#landmark;
    if (this.weights.length < n) this.weights = new Float32Array(n);
    const { weights, capMs } = this;
    for (let row = from; row < n; row++) {
      const timestampMs = Math.min(timestamps[row]!, capMs);
      const whole = Math.floor(timestampMs / halfLifeMs);
      if (whole >= landmark) return row;
      if (landmark - whole > tooLateHalfLives) {
        weights[row] = 0;
        this.#tooLate += 1;
        continue;
      }
      const phase = (timestampMs - whole * halfLifeMs) / halfLifeMs;
      weights[row] = given[row]! * 2 ** phase * inversePowers[landmark - whole]!;
    }
    return n;
  }

  restart(): void {
    this.#landmark = this.#firstLandmark;
    this.#tooLate = 0;
  }
}
