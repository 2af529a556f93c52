// Work that takes a while, a little in each turn of the event loop: between two turns the sockets are served, so whoever asks
// something quick waits for a millisecond of it and not for all. Urgent work goes before the rest.

import { type Clock, nextTurn } from '../support/index.ts';

/** One piece of work may take longer; it is not interrupted. */
const turnMsMax = 1;

export class Turns {
  readonly #clock: Clock;
  readonly #urgent: (() => void)[] = [];
  readonly #other: (() => void)[] = [];
  #isRunning = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what the work returns, or throws. */
  run<T>(work: () => T | Promise<T>, { urgent = false } = {}): Promise<T> {
    const done = new Promise<T>((resolve, reject) => {
      (urgent ? this.#urgent : this.#other).push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
    if (!this.#isRunning) void this.#run();
    return done;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#next(); next !== undefined; ) {
      await nextTurn();
      const endMs = this.#clock.monotonicMs() + turnMsMax;
      do {
        next();
        next = this.#next();
      } while (next !== undefined && this.#clock.monotonicMs() < endMs);
    }
    this.#isRunning = false;
  }

  #next(): (() => void) | undefined {
    return this.#urgent.shift() ?? this.#other.shift();
  }
}
