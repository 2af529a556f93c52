// How long tests wait for what has to come about in their own process. An error in the question is a fault and ends the wait;
// another process, which may not answer yet, is asked by `eventually` (meanstream-process.ts).

import { systemClock } from '../../support/index.ts';

/** Less than a test may take: what fails says what it waited for. A commit on Kafka takes 50 ms, a rebalance some seconds. */
const patienceMs = 25_000;
const pauseMs = 5;

/** @throws when it does not come to hold */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + patienceMs;
  while (!(await holds())) {
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new Error(`Not within ${patienceMs} ms: ${what}`);
    }
    await systemClock.sleep(pauseMs);
  }
}
