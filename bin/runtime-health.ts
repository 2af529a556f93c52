// What a runtime's status means to probes. Live does not fail on a rebalance or a broker outage, only when a task has
// stopped for good, or hangs though it was restarted; ready is false while a task restores or none is assigned yet.

import type { HealthReport } from '../gateway/index.ts';
import type { RuntimeStatus } from '../runtime/index.ts';

export function runtimeHealth(status: RuntimeStatus): HealthReport {
  const { state, ready, reasons, tasks, replicas, live } = status;
  return {
    live,
    ready,
    started: state !== 'CREATED' && state !== 'STARTING',
    reasons,
    detail: { state, tasks, replicas },
  };
}
