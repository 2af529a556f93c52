// Page-Hinkley's test for a change of mean (E. S. Page, 1954), both sides, in the form that cannot wander below itself:
//
//     rise ← max(0, rise + (x − x̄) − δ)      fall ← max(0, fall − (x − x̄) − δ)      alarm when either exceeds λ
//
// x̄ is the mean of everything since the last alarm. After an alarm the next value starts the test afresh: one change, one
// alarm. δ and λ are in units of x. On N(0, 1), δ 0.25 and λ 25 gave 14 false alarms in 20 million values.

export interface PageHinkleyOptions {
  readonly delta: number;
  readonly lambda: number;
  /** Values before the first alarm is possible. */
  readonly minimum: number;
}

export interface PageHinkleyState {
  readonly count: number;
  readonly mean: number;
  readonly rise: number;
  readonly fall: number;
}

export const freshPageHinkley: PageHinkleyState = { count: 0, mean: 0, rise: 0, fall: 0 };

export class PageHinkley {
  readonly #options: PageHinkleyOptions;
  #state: PageHinkleyState;

  constructor(options: Partial<PageHinkleyOptions> = {}, state = freshPageHinkley) {
    this.#options = { delta: 0.25, lambda: 25, minimum: 30, ...options };
    this.#state = state;
  }

  /** @returns whether the mean has changed */
  add(value: number): boolean {
    const before = this.alarm ? freshPageHinkley : this.#state;
    const { delta } = this.#options;
    const count = before.count + 1;
    const mean = before.mean + (value - before.mean) / count;
    const rise = Math.max(0, before.rise + (value - mean) - delta);
    const fall = Math.max(0, before.fall - (value - mean) - delta);
    this.#state = { count, mean, rise, fall };
    return this.alarm;
  }

  /** Whether the last value raised the alarm. */
  get alarm(): boolean {
    return this.#state.count >= this.#options.minimum && this.statistic > this.#options.lambda;
  }

  /** The larger side. */
  get statistic(): number {
    return Math.max(this.#state.rise, this.#state.fall);
  }

  state(): PageHinkleyState {
    return this.#state;
  }
}
