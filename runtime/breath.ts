// Lets waiting I/O run while tasks are busy. Tasks with records at hand go on from each other's promises without a turn of the
// event loop between, so there is one breath for all of a thread: once it is due, each turn of the loop lets those go on
// whose batches are short, and of the others one: if all went on in the same turn, I/O would wait for a batch of each.

import { type Clock, nextTurn } from '../support/index.ts';

/** No I/O waits for longer than this, or `crowdedMs` when there are many tasks, and one batch. */
const breathMs = 5;
/** Whoever comes so long after the last turn waits for a turn of its own. */
const crowdedMs = 20;

export class Breath {
  readonly #clock: Clock;
  #lastMs = 0;
  /** Of whoever was last to ask for one of its own. */
  #turn = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called between batches. */
  async take(): Promise<void> {
    const sinceMs = this.#clock.monotonicMs() - this.#lastMs;
    if (sinceMs < breathMs) return;
    if (sinceMs >= crowdedMs) this.#turn = this.#turn.then(nextTurn);
    await (sinceMs < crowdedMs ? nextTurn() : this.#turn);
    this.#lastMs = this.#clock.monotonicMs();
  }
}
