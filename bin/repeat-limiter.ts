// A line that repeats is written a few times a window, then only counted: the next one that is written says how many
// were left out. A fault in a loop must not bury the line that explains it.

import type { Clock } from '../support/index.ts';

const windowMs = 10_000;
const linesMax = 5;
/** Messages remembered; all are forgotten when there are more. */
const messagesMax = 1_000;

interface Repeated {
  startedAtMs: number;
  written: number;
  suppressed: number;
}

export class RepeatLimiter {
  readonly #clock: Clock;
  readonly #byMessage = new Map<string, Repeated>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns how many like it were left out before, when it is to be written; undefined when it is not. */
  admit(message: string): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#byMessage.get(message);
    if (known === undefined || nowMs - known.startedAtMs >= windowMs) {
      if (this.#byMessage.size >= messagesMax) this.#byMessage.clear();
      this.#byMessage.set(message, { startedAtMs: nowMs, written: 1, suppressed: 0 });
      return known?.suppressed ?? 0;
    }
    if (known.written < linesMax) {
      known.written += 1;
      return 0;
    }
    known.suppressed += 1;
    return undefined;
  }
}
