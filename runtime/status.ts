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
  /** At the rate of the restore so far; null when nothing is being restored, or it has just begun. */
  readonly restoreSecondsLeft: number | null;
  readonly lastCommitAtMs: number | null;
  /** What the task waits for, in the words of its processor (`retryLater`). */
  readonly waiting: string | null;
  /** Why it is not running: the last error. */
  readonly reason: string | null;
  /** What the watchdog has to say, until there is progress again. */
  readonly stuck: string | null;
}

/** A copy of a task's stores that follows their changelogs. */
export interface ReplicaStatus {
  readonly taskId: string;
  readonly kind: 'standby' | 'warm-up';
  readonly state: 'OPENING' | 'FOLLOWING';
  /** Changelog records it lacks; null before that is known. */
  readonly lag: number | null;
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
  readonly replicas: readonly ReplicaStatus[];
  /** False when only a new process can help: a task failed for good, or hangs though it was restarted. */
  readonly live: boolean;
}
