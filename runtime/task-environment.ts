// What all tasks of a process share.

import type { Broker, ProcessingGuarantee } from '../broker/index.ts';
import type { GlobalStore, StateStore } from '../state-stores/index.ts';
import type { Clock, Logger, Metrics } from '../support/index.ts';
import type { Breath } from './breath.ts';

export interface TaskEnvironment {
  readonly applicationId: string;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly breath: Breath;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly globalStores: ReadonlyMap<string, GlobalStore>;
  /** An open engine for a store of a task, this task's own. The task closes it. */
  readonly openStore: (taskId: string, store: string) => Promise<StateStore>;
  readonly limits: TaskLimits;
  readonly autoOffsetReset: 'earliest' | 'latest';
  readonly processingGuarantee: ProcessingGuarantee;
}

export interface TaskLimits {
  readonly commitIntervalMs: number;
  readonly commitRowsMax: number;
  readonly commitBytesMax: number;
  readonly batchRowsMax: number;
}

/** How long a batch rests after `retryLater`. */
export const retryPauseMs = 50;
/** A full batch that is put off comes back twice as large, up to this: whoever waits for more rows gets to see them. */
export const putOffRowsMax = 32_768;
/** Longest wait for records of an idle task: it is how late a stop or an assignment may be noticed. */
export const idleReadMsMax = 100;
/** A position that only moved over markers and gaps is not worth a transaction of its own more often than this. */
export const offsetsOnlyCommitMs = 5_000;
/** A task that is behind commits as often as this many commit intervals … */
export const behindIntervals = 4;
/** … but no later than this, unless the interval is longer: the log ends a transaction that is open for too long (1 s at least). */
export const behindMsMax = 500;
/** A transaction is prepared when its commit is due within this: far less than the log lets one be open (15 s). */
export const prepareMsMax = 1_000;
/** Outputs of this share of what a transaction may have need not wait for their commit. */
export const aheadShareMin = 1 / 16;
/** Of this share no more are made before the log has what it was sent last. */
export const unsentShareMax = 1 / 8;
/** A part of a task that does not close for this long is left behind. */
export const closeMsMax = 5_000;
/** Rows of one read while restoring and while filling a global store. */
export const restoreRowsMax = 4096;
