// What a runtime says of itself: for /readyz, for `meanstream doctor` and for people.

export type TaskState = 'CREATED' | 'RESTORING' | 'RUNNING' | 'CLOSED';

export interface TaskPosition {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to process. */
  readonly position: number;
  readonly end: number;
  readonly lag: number;
}

export interface TaskStatus {
  readonly taskId: string;
  /** FAILED: stopped for good, see `reason`. */
  readonly state: TaskState | 'FAILED';
  readonly positions: readonly TaskPosition[];
  /** Changelog records left to restore. */
  readonly restoreRemaining: number;
  readonly lastCommitAtMs: number | null;
  /** What the task waits for, in the words of its processor (`retryLater`). */
  readonly waiting: string | null;
  /** Why it is not running: the last error. */
  readonly reason: string | null;
}

export type RuntimeState = 'CREATED' | 'STARTING' | 'RUNNING' | 'FAILED' | 'STOPPING' | 'STOPPED';

export interface RuntimeStatus {
  readonly state: RuntimeState;
  /** Whether this process does its share: started, and all its tasks running. */
  readonly ready: boolean;
  /** Why it is not ready; empty when it is. */
  readonly reasons: readonly string[];
  readonly tasks: readonly TaskStatus[];
}
