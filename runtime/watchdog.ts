// Notices a task that is alive but gets nowhere: it has records to take in, or stores to restore, and for `timeoutMs` no
// committed position has grown. Such a task hangs in a call that never answers, so nothing throws. It is restarted, once; when that
// was in vain too, only a new process can help, and the runtime says so (not live).
//
//   watched ──(no progress for timeoutMs)──► restarted ──(again)──► in vain
//      ▲                                        │                      │
//      └─────────── progress, or nothing to do ─┴──────────────────────┘
//
// When the log does not say where its end is, it is an outage: nobody is to blame, and a restart would not help.

import type { Broker, TopicPartition } from '../broker/index.ts';
import type { Clock, Logger, Metrics } from '../support/index.ts';
import { inputName } from './task-sources.ts';

export interface WatchedTask {
  readonly taskId: string;
  readonly inputs: readonly TopicPartition[];
  progress(): TaskProgress;
  restart(reason: string): void;
}

export interface TaskProgress {
  /** Committed next offsets of the inputs, added up; 0 before they are known. */
  readonly positions: number;
  /** By "topic-partition". */
  readonly committed: Readonly<Record<string, number>>;
  readonly lastCommitAtMs: number;
  readonly restoreRemaining: number;
  /** A task that throws does not hang: its runner deals with it. */
  readonly errors: number;
  /** Whether it is on its way to RUNNING. */
  readonly opening: boolean;
  /** A restart is under way. */
  readonly closing: boolean;
  /** It waits on purpose, or has failed and said so. */
  readonly excused: boolean;
}

export interface WatchdogOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timeoutMs: number;
}

interface Watch {
  positions: number;
  lastCommitAtMs: number;
  restoreRemaining: number;
  errors: number;
  sinceMs: number;
  restarts: number;
  stuck: string | null;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #watches = new Map<WatchedTask, Watch>();
  #checking = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** What it has to say of a task. */
  stuck(task: WatchedTask): string | null {
    return this.#watches.get(task)?.stuck ?? null;
  }

  /** Whether a restart was in vain. */
  get inVain(): boolean {
    return [...this.#watches.values()].some(({ restarts }) => restarts > 1);
  }

  /** Called now and then with all tasks there are. */
  async check(tasks: readonly WatchedTask[]): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      for (const task of this.#watches.keys()) {
        if (!tasks.includes(task)) this.#watches.delete(task);
      }
      for (const task of tasks) await this.#look(task);
    } finally {
      this.#checking = false;
    }
  }

  async #look(task: WatchedTask): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const now = task.progress();
    const watch = this.#watches.get(task) ?? this.#begin(task);
    if (now.excused || hasMoved(watch, now)) return this.#calm(watch, now);
    watch.restoreRemaining = now.restoreRemaining;
    if (now.closing) watch.sinceMs = clock.monotonicMs();
    if (clock.monotonicMs() - watch.sinceMs < timeoutMs) return;
    const lag = await this.#lagOf(task, now);
    if (lag === undefined) watch.sinceMs = clock.monotonicMs();
    else if (lag === 0 && !now.opening) this.#calm(watch, now);
    else this.#restart(task, watch, lag);
  }

  #begin(task: WatchedTask): Watch {
    const watch: Watch = {
      ...{ positions: 0, lastCommitAtMs: 0, restoreRemaining: 0, errors: 0 },
      ...{ restarts: 0, stuck: null },
      sinceMs: this.#options.clock.monotonicMs(),
    };
    this.#watches.set(task, watch);
    return watch;
  }

  #calm(watch: Watch, { positions, lastCommitAtMs, restoreRemaining, errors }: TaskProgress): void {
    watch.positions = Math.max(watch.positions, positions);
    watch.lastCommitAtMs = Math.max(watch.lastCommitAtMs, lastCommitAtMs);
    watch.restoreRemaining = restoreRemaining;
    watch.errors = errors;
    watch.sinceMs = this.#options.clock.monotonicMs();
    watch.restarts = 0;
    watch.stuck = null;
  }

  #restart(task: WatchedTask, watch: Watch, lag: number): void {
    const { clock, logger, metrics, timeoutMs } = this.#options;
    const again = watch.restarts > 0 ? ' It was restarted before, in vain.' : '';
    watch.stuck = `Task ${task.taskId} has ${lag} records to take in and has made no progress for ${timeoutMs} ms; it is restarted.${again}`;
    watch.restarts += 1;
    watch.sinceMs = clock.monotonicMs();
    metrics.watchdogRestarts.inc();
    logger.error({ task: task.taskId, lag, restarts: watch.restarts }, watch.stuck);
    task.restart(watch.stuck);
  }

  /** Asked of the log itself: a reader that hangs does not hear of new records. Undefined when the log is silent. */
  async #lagOf(task: WatchedTask, { committed }: TaskProgress): Promise<number | undefined> {
    const { broker, clock, timeoutMs } = this.#options;
    const silence = new AbortController();
    const late = clock.sleep(timeoutMs, silence.signal).then(() => undefined);
    try {
      const asking = task.inputs.map(async ({ topic, partition }) => {
        const { end, logStart } = (await broker.listOffsets(topic))[partition]!;
        return end - (committed[inputName({ topic, partition })] ?? logStart);
      });
      const lags = await Promise.race([Promise.all(asking), late]);
      return lags?.reduce((sum, lag) => sum + Math.max(0, lag), 0);
    } catch {
      return undefined;
    } finally {
      silence.abort();
    }
  }
}

/** A restart goes back to the committed positions, and so is no progress: only what was never reached before is. */
function hasMoved(watch: Watch, now: TaskProgress): boolean {
  return (
    now.positions > watch.positions ||
    now.lastCommitAtMs > watch.lastCommitAtMs ||
    now.errors > watch.errors ||
    (now.restoreRemaining > 0 && now.restoreRemaining < watch.restoreRemaining)
  );
}
