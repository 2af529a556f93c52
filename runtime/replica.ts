// A copy of a task's stores that follows their changelogs: a standby, or a warm-up before the task moves here. It reads
// what is committed, writes each batch with its offset in one atomic write, computes nothing and fences nobody. When the
// task is assigned here it is stopped, and the task takes over (task.ts) with what little is left to restore.
//
// It judges its stores at the start as a restore does, but without a fence the end of the changelog is not certain: the
// marker of a commit this disk already holds may still be under way. So a store that is ahead is believed, once.

import type { AssignedTask, PartitionReader } from '../broker/index.ts';
import { changelogDeleteRetentionMs } from '../schemas/index.ts';
import { nextBackoffMs, nextTurn, OffsetOutOfRangeError } from '../support/index.ts';
import { bytesOf } from './restore.ts';
import type { ReplicaStatus } from './status.ts';
import { taskIdOf } from './task.ts';
import { idleReadMsMax, restoreRowsMax, type TaskEnvironment } from './task-environment.ts';
import type { TaskPlan } from './task-plan.ts';
import { TaskStores } from './task-stores.ts';

export interface ReplicaOptions {
  readonly plan: TaskPlan;
  readonly partition: number;
  readonly kind: 'standby' | 'warm-up';
  readonly environment: TaskEnvironment;
}

const backoff = { msMin: 100, msMax: 5_000 } as const;

export class Replica {
  readonly taskId: string;
  readonly task: AssignedTask;
  kind: 'standby' | 'warm-up';
  readonly #options: ReplicaOptions;
  readonly #stopping = new AbortController();
  readonly #lags = new Map<string, number>();
  #stores: TaskStores;
  #state: ReplicaStatus['state'] = 'OPENING';
  #reason: string | null = null;
  #believesStores = true;
  #backoffMs = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    const { plan, partition, kind } = options;
    this.#options = options;
    this.taskId = taskIdOf(plan, partition);
    this.task = { group: plan.subTopology.id, partition };
    this.kind = kind;
    this.#stores = this.#newStores();
  }

  /** Changelog records it lacks; null before that is known. */
  get lag(): number | null {
    if (this.#state === 'OPENING') return null;
    return [...this.#lags.values()].reduce((sum, lag) => sum + lag, 0);
  }

  /** The sum of the next changelog offsets of its stores. */
  get changelogOffset(): number {
    return this.#stores.changelogOffset;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing is left open; the stores stay on the disk. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#options.environment.metrics.replicaLag.remove({ task: this.taskId });
  }

  status(): ReplicaStatus {
    const { taskId, kind, lag } = this;
    return { taskId, kind, state: this.#state, lag, reason: this.#reason };
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options.environment;
    while (!this.#isStopping) {
      try {
        await this.#stores.open(false);
        await this.#followAll();
      } catch (error) {
        this.#reason = error instanceof Error ? error.message : String(error);
        const { taskId, kind } = this;
        logger.warn({ task: taskId, err: error }, `The ${kind} of ${taskId} was interrupted.`);
        this.#believesStores = !(error instanceof OffsetOutOfRangeError);
        this.#backoffMs = nextBackoffMs(this.#backoffMs, backoff);
      }
      await this.#stores.close().catch((err: unknown) => {
        logger.warn({ task: this.taskId, err }, 'A store of a replica did not close.');
      });
      if (this.#isStopping) return;
      this.#state = 'OPENING';
      await clock.sleep(this.#backoffMs, this.#stopping.signal);
      this.#stores = this.#newStores();
    }
  }

  /** Until it is stopped; the first store that fails ends the others. */
  async #followAll(): Promise<void> {
    const failed = new AbortController();
    const following = this.#stores.changelogs.map(async (changelog) => {
      try {
        await this.#follow(changelog, failed.signal);
      } catch (error) {
        failed.abort();
        throw error;
      }
    });
    const outcomes = await Promise.allSettled(following);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #follow(
    { store, at }: TaskStores['changelogs'][number],
    failed: AbortSignal,
  ): Promise<void> {
    const { broker, logger, metrics } = this.#options.environment;
    const bounds = (await broker.listOffsets(at.topic))[at.partition]!;
    const stored = this.#believesStores ? ((await store.storedOffset()) ?? 0) : 0;
    const end = Math.max(bounds.end, stored);
    const ageMsMax = changelogDeleteRetentionMs;
    const recovery = await store.recover({ logStart: bounds.logStart, end, ageMsMax });
    if (recovery.wipedBecause !== undefined) {
      logger.warn({ store: store.name }, recovery.wipedBecause);
    }
    const reader = broker.openReader(at, recovery.restoreFrom);
    this.#noteLag(at.topic, end - recovery.restoreFrom);
    try {
      while (!this.#isStopping && !failed.aborted) {
        const batch = await reader.read({ rowsMax: restoreRowsMax, waitMsMax: idleReadMsMax });
        if (batch.nextOffset > store.changelogOffset) await store.restore(batch);
        metrics.restoredRecords.inc({ role: 'replica' }, batch.n);
        metrics.restoredBytes.inc({ role: 'replica' }, bytesOf(batch));
        this.#noteLag(at.topic, lagOf(reader, end));
        await nextTurn();
      }
    } finally {
      await reader.close();
    }
  }

  #noteLag(topic: string, lag: number): void {
    this.#lags.set(topic, lag);
    if (this.#lags.size < this.#stores.changelogs.length) return;
    if (lag === 0) {
      this.#reason = null;
      this.#backoffMs = 0;
    }
    this.#state = 'FOLLOWING';
    this.#options.environment.metrics.replicaLag.set({ task: this.taskId }, this.lag ?? 0);
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #newStores(): TaskStores {
    const { plan, partition, environment } = this.#options;
    this.#lags.clear();
    return new TaskStores(this.taskId, plan, partition, environment);
  }
}

/** `endAtStart` until the reader has heard of a later one. */
function lagOf({ end, position }: PartitionReader, endAtStart: number): number {
  return Math.max(0, Math.max(end, endAtStart) - position);
}
