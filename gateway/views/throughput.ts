// Points assigned per second over the last minute, counted as they come in.

import type { Clock } from '../../support/index.ts';

const secondsKept = 60;
const rateSeconds = 5;

export class Throughput {
  readonly #clock: Clock;
  /** One count a second, oldest first; the last is the second that runs. */
  readonly #counts: number[] = [0];
  #second: number;
  #total = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#second = this.#now();
  }

  add(count: number): void {
    this.#roll();
    this.#counts[this.#counts.length - 1]! += count;
    this.#total += count;
  }

  /** Whole seconds, oldest first; the one that runs is left out. */
  history(): readonly number[] {
    this.#roll();
    return this.#counts.slice(0, -1);
  }

  /** Mean of the last few whole seconds. */
  perSecond(): number {
    const recent = this.history().slice(-rateSeconds);
    return recent.length === 0 ? 0 : recent.reduce((a, b) => a + b, 0) / recent.length;
  }

  get total(): number {
    return this.#total;
  }

  #roll(): void {
    const missed = Math.min(secondsKept, this.#now() - this.#second);
    for (let i = 0; i < missed; i += 1) this.#counts.push(0);
    this.#second = this.#now();
    if (this.#counts.length > secondsKept + 1) {
      this.#counts.splice(0, this.#counts.length - secondsKept - 1);
    }
  }

  #now(): number {
    return Math.floor(this.#clock.monotonicMs() / 1_000);
  }
}
