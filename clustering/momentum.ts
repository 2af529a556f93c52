// Lloyd's step, again and again, crawls where clusters are not apart: inertia falls by a few millionths an iteration, hundreds
// of times. It is a descent along the gradient, and momentum makes that faster (Y. Nesterov, 1983), with restarts
// (B. O'Donoghue and E. Candès, 2015). With m(y) the means of the points that are nearest to each of y:
//
// 1. While the shift ‖m(y) − y‖² falls below half of the last one, Lloyd's own step is fast enough: y ← m(y), t = 1.
// 2. Else  t' = (1 + √(1 + 4t²)) / 2,  y ← m(y) + (t − 1)/t' · (m(y) − m(y of the iteration before)),  t ← t'.
// 3. Where that went too far and inertia has risen, y ← the m of before, which is Lloyd's own step and cannot rise; t = 1.
//
// So the inertia of the steps that are kept never rises, and what stays where it is under this does so under Lloyd's. O(k · dims).

/** A fall of the shift to less than this share is fast. */
const slowShareMin = 0.5;

export interface LloydStep {
  /** Of the labels by y. */
  readonly inertia: number;
  /** ‖m(y) − y‖². */
  readonly shift: number;
}

export class Momentum {
  #t = 1;
  #shift = Infinity;
  /** Of the last step that was kept. */
  #inertia = Infinity;
  #means: Float64Array = new Float64Array(0);
  #isAhead = false;

  /** Whether the last y was not simply m of the one before. */
  get isAhead(): boolean {
    return this.#isAhead;
  }

  /** @param means k × dims, in m(y), out the next y. @param mayCarry false: the next y is one that Lloyd's own step gives. */
  carry(means: Float64Array, { inertia, shift }: LloydStep, mayCarry: boolean): void {
    const isSlow = shift > slowShareMin * this.#shift;
    this.#shift = shift;
    if (this.#isAhead && inertia > this.#inertia) {
      means.set(this.#means);
      this.#rest();
      return;
    }
    const before = this.#means;
    this.#inertia = inertia;
    this.#means = means.slice();
    if (!mayCarry || (this.#t === 1 && !isSlow)) this.#rest();
    else this.#extrapolate(before, means);
  }

  #extrapolate(before: Float64Array, means: Float64Array): void {
    const t = (1 + Math.sqrt(1 + 4 * this.#t ** 2)) / 2;
    const share = (this.#t - 1) / t;
    this.#t = t;
    this.#isAhead = share > 0;
    if (!this.#isAhead) return;
    for (let i = 0; i < means.length; i++) means[i]! += share * (means[i]! - before[i]!);
  }

  #rest(): void {
    this.#t = 1;
    this.#isAhead = false;
  }
}
