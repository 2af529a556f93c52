// How long the event loop was held up: heartbeats and health probes run on it.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock, Metrics } from '../support/index.ts';

const intervalMs = 5_000;

/** Keeps `event_loop_lag_seconds` (p99 over five seconds). @returns a function that ends it. */
export function measureEventLoopLag(metrics: Metrics, clock: Clock): () => void {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const stop = clock.every(intervalMs, () => {
    metrics.eventLoopLag.set(delay.percentile(99) / 1e9);
    delay.reset();
  });
  return () => {
    stop();
    delay.disable();
  };
}
