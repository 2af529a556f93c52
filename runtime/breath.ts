// Lets waiting I/O run while tasks are busy. Tasks with records at hand go on from each other's promises without a turn of the
// event loop between, so there is one breath for all of a thread: if each took its own, the answers that a commit waits for
// would be read only once per round of all of them.

import { type Clock, nextTurn } from '../support/index.ts';

/** No I/O waits longer than this and one batch. */
const breathMs = 5;

export class Breath {
  readonly #clock: Clock;
  #lastMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called between batches. */
  async take(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#lastMs < breathMs) return;
    await nextTurn();
    this.#lastMs = this.#clock.monotonicMs();
  }
}
