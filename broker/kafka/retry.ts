// Bounded retries: pauses grow from 2 to 50 ms, until a deadline. What may be retried is for the caller to say.

import { type Clock, nextBackoffMs } from '../../support/index.ts';

const pause = { msMin: 2, msMax: 50 };

export interface RetryOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Says whether to try again; a place to forget what the error proves stale. */
  readonly again: (error: unknown) => boolean;
}

/** @throws the last error when it may not be retried or the deadline (on the monotonic clock) has passed. */
export async function retrying<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  for (let pauseMs = pause.msMin; ; pauseMs = nextBackoffMs(pauseMs, pause)) {
    try {
      return await attempt();
    } catch (error) {
      const over = options.clock.monotonicMs() + pauseMs > options.deadlineMs;
      if (!options.again(error) || over) throw error;
    }
    await options.clock.sleep(pauseMs);
  }
}
