// One task: one sub-topology on one partition number, for one ownership of its transactional id. After any error it
// is closed and another takes over; nothing of it is used again. (task-runner.ts does that, this file only throws.)
//
//                open          state restored           close
//   CREATED ───────────► RESTORING ───────────► RUNNING ───────────► CLOSED
//      │                     │                                          ▲
//      └──────── close ──────┴───────────────── close ──────────────────┘
//
//   state      allowed                         goes to
//   CREATED    open, close                     RESTORING, CLOSED
//   RESTORING  close                           RUNNING, CLOSED
//   RUNNING    step, commit, interrupt, close  CLOSED
//   CLOSED     close (does nothing)            –
//
// Take-over (`open`), in this order and no other:
//   0. open the stores
//   1. open the transactional writer: from here every older owner is fenced
//   2. only now ask for the committed offsets and the ends of the changelogs
//   3. judge the stores' checkpoints, wipe what cannot be trusted
//   4. restore from the checkpoint to the end of the changelog
//   5. input goes on at the committed offset, never at the store's; at least once: at the lower of the two
// Then, again and again: `step` (one batch into the overlay), and `commit` when it is due.

import type { CommittedOffset, TopicPartition, TransactionalWriter } from '../broker/index.ts';
import type { RecordBatch } from '../schemas/index.ts';
import type { GlobalStore, KeyValueStore } from '../state-stores/index.ts';
import {
  assert,
  crashPoint,
  InvalidTopologyError,
  RetriableError,
  TaskMigratedError,
} from '../support/index.ts';
import { commitTransaction, decodeStreamTime } from './commit.ts';
import type { TaskScope } from './processor-context.ts';
import { ProcessorGraph } from './processor-graph.ts';
import { Punctuations, type PunctuationTimes } from './punctuation.ts';
import { startPositions } from './start-positions.ts';
import type { TaskPosition, TaskState } from './status.ts';
import { TakenIn } from './taken-in.ts';
import {
  aheadShareMin,
  behindIntervals,
  behindMsMax,
  closeMsMax,
  offsetsOnlyCommitMs,
  prepareMsMax,
  retryPauseMs,
  type TaskEnvironment,
  unsentShareMax,
} from './task-environment.ts';
import { TaskOutputs } from './task-outputs.ts';
import type { TaskPlan } from './task-plan.ts';
import { inputName, type ReadBatch, TaskSources } from './task-sources.ts';
import { offsetOf, TaskStores } from './task-stores.ts';

const transitions: Readonly<Record<TaskState, readonly TaskState[]>> = {
  CREATED: ['RESTORING', 'CLOSED'],
  RESTORING: ['RUNNING', 'CLOSED'],
  RUNNING: ['CLOSED'],
  CLOSED: [],
};

/** How long the processors took for so many rows, without a turn of the event loop. */
export interface ProcessedBatch {
  readonly rows: number;
  readonly ms: number;
}

/** A batch was taken in; one was put off by `retryLater`; or there was none. */
export type StepOutcome = 'taken' | 'put-off' | 'idle';

export class Task {
  readonly id: string;
  readonly #plan: TaskPlan;
  readonly #partition: number;
  readonly #environment: TaskEnvironment;
  readonly #stores: TaskStores;
  readonly #outputs: TaskOutputs;
  readonly #graph: ProcessorGraph;
  readonly #punctuations = new Punctuations();
  readonly #stopRestore = new AbortController();
  #state: TaskState = 'CREATED';
  #writer: TransactionalWriter | undefined;
  #sources: TaskSources | undefined;
  #streamTimeMs = -1;
  /** Something may have to be committed: a batch was processed, or a punctuation ran. */
  #touched = false;
  #commitAtOnce = false;
  #takenIn = new TakenIn();
  /** What was sent ahead last. */
  #ahead: Promise<void> | undefined;
  #commitStartedMs = 0;
  #commitEndedMs = 0;
  #lastCommitAtMs: number | null = null;
  #processing = false;
  #lastBatch: ProcessedBatch = { rows: 0, ms: 0 };
  #retry: { reason: string; processor: string } | undefined;
  #waiting: string | null = null;

  constructor(plan: TaskPlan, partition: number, environment: TaskEnvironment) {
    this.id = taskIdOf(plan, partition);
    this.#plan = plan;
    this.#partition = partition;
    this.#environment = environment;
    this.#stores = new TaskStores(this.id, plan, partition, environment);
    this.#outputs = new TaskOutputs(plan, partition);
    this.#graph = new ProcessorGraph(plan.subTopology, this.#scope());
  }

  get state(): TaskState {
    return this.#state;
  }

  /** Why the last batch was put off by `retryLater`; null once one was taken in. */
  get waiting(): string | null {
    return this.#waiting;
  }

  /** What the open transaction is made of. */
  get takenIn(): TakenIn {
    return this.#takenIn;
  }

  get lastBatch(): ProcessedBatch {
    return this.#lastBatch;
  }

  get restoreRemaining(): number {
    return this.#stores.restoreRemaining;
  }

  get restoreSecondsLeft(): number | null {
    return this.#stores.restoreSecondsLeft;
  }

  /** How far its stores are: the sum of their next changelog offsets. */
  get changelogOffset(): number {
    return this.#stores.changelogOffset;
  }

  get lastCommitAtMs(): number | null {
    return this.#lastCommitAtMs;
  }

  /** Takes over. `wipeStores` rebuilds them from the changelog whatever they hold. */
  async open({ wipeStores }: { wipeStores: boolean }): Promise<void> {
    this.#moveTo('RESTORING');
    const { broker, applicationId, clock, metrics, processingGuarantee } = this.#environment;
    const { sources } = this.#plan.subTopology;
    const startedMs = clock.monotonicMs();
    await this.#stores.open(wipeStores);
    const transactionalId = `${applicationId}-${this.id}`;
    this.#writer = await broker.openTransactionalWriter(transactionalId, processingGuarantee);
    const inputs = sources.map(({ topic }) => ({ topic, partition: this.#partition }));
    const committed = await broker.committedOffsets(applicationId, inputs);
    await this.#stores.restore(this.#stopRestore.signal);
    const from = await this.#startOf(inputs, committed);
    metrics.restoreDuration.observe((clock.monotonicMs() - startedMs) / 1000);
    this.#streamTimeMs = Math.max(
      this.#stores.progress?.streamTimeMs ?? -1,
      ...committed.map((offset) => decodeStreamTime(offset.metadata)),
    );
    const positions = await startPositions(sources, this.#partition, from, this.#environment);
    await this.#graph.open();
    this.#sources = new TaskSources(broker, clock, this.#partition, positions);
    this.#commitStartedMs = clock.monotonicMs();
    this.#commitEndedMs = this.#commitStartedMs;
    this.#moveTo('RUNNING');
  }

  /** Where the input goes on. Exactly once, the state must have taken in just what the group has. */
  async #startOf(
    inputs: readonly TopicPartition[],
    committed: readonly CommittedOffset[],
  ): Promise<readonly CommittedOffset[]> {
    if (this.#environment.processingGuarantee === 'at_least_once') {
      return this.#stores.notAhead(committed);
    }
    const fault = this.#stores.faultAgainst(inputs, committed);
    if (fault !== undefined) throw await this.#unlessMigrated(fault, inputs, committed);
    return committed;
  }

  /** Who was held up between the offsets and the restore may have lost the task: the next owner has moved both. */
  async #unlessMigrated(
    fault: Error,
    inputs: readonly TopicPartition[],
    before: readonly CommittedOffset[],
  ): Promise<Error> {
    const { broker, applicationId } = this.#environment;
    const now = await broker.committedOffsets(applicationId, inputs);
    const moved = inputs.some((input) => offsetOf(now, input) !== offsetOf(before, input));
    if (!moved) return fault;
    return new TaskMigratedError(
      `Task ${this.id} got another owner while its stores were restored: the group's offsets have moved on.`,
      { taskId: this.id, cause: fault },
    );
  }

  /**
   * Takes in the next batch, or waits for one for at most `waitMsMax` (0: takes what is at hand), then makes the
   * punctuations that are due. @returns what became of it.
   */
  async step(rowsMax: number, waitMsMax: number): Promise<StepOutcome> {
    const sources = this.#running();
    const read = await sources.next(rowsMax, Math.min(waitMsMax, this.#msUntilDue()));
    if (read !== undefined) crashPoint('fetched');
    const outcome = read === undefined ? 'idle' : this.#process(read, sources);
    if (outcome === 'taken') await this.#sendAhead();
    const times = this.#times();
    if (this.#graph.run(() => this.#punctuations.run(times))) this.#touched = true;
    return outcome;
  }

  /** Ends the rests of `retryLater`. */
  resume(): void {
    this.#running().resume();
  }

  get commitDue(): boolean {
    if (this.#state !== 'RUNNING') return false;
    const { commitRowsMax, commitBytesMax } = this.#environment.limits;
    return (
      this.#commitAtOnce ||
      this.#msUntilCommit() <= 0 ||
      this.#running().pendingRows >= commitRowsMax ||
      this.#outputs.bytes >= commitBytesMax
    );
  }

  /** Flushes the processors and commits what there is. @returns false when there was nothing. */
  async commit(): Promise<boolean> {
    const sources = this.#running();
    this.#graph.flush();
    this.#touched = false;
    this.#commitAtOnce = false;
    const { clock } = this.#environment;
    this.#commitStartedMs = clock.monotonicMs();
    const worthIt = sources.moved || this.#outputs.rows > 0 || this.#stores.pendingWrites > 0;
    if (worthIt) await this.#commit(sources);
    this.#takenIn = new TakenIn();
    this.#commitEndedMs = clock.monotonicMs();
    return worthIt;
  }

  /** Makes a waiting step and a restore end soon. */
  interrupt(): void {
    this.#stopRestore.abort();
    this.#sources?.interrupt();
  }

  /** Drops what is not committed. Idempotent; every part is closed even when one of them fails. */
  async close(): Promise<void> {
    if (this.#state === 'CLOSED') return;
    this.#moveTo('CLOSED');
    this.#stopRestore.abort();
    const errors = this.#graph.close();
    const parts = [this.#sources, this.#writer, this.#stores];
    for (const part of parts) await this.#close(part).catch((error: unknown) => errors.push(error));
    this.#forgetMetrics();
    for (const err of errors) {
      this.#environment.logger.warn({ task: this.id, err }, 'a part of a task did not close');
    }
  }

  /** A part that hangs keeps the others from nothing: whoever takes over fences what is left of it. */
  async #close(part: { close(): Promise<void> } | undefined): Promise<void> {
    if (part === undefined) return;
    const inTime = new AbortController();
    const late = this.#environment.clock.sleep(closeMsMax, inTime.signal).then(() => {
      if (inTime.signal.aborted) return;
      throw new RetriableError(`A part of task ${this.id} did not close in ${closeMsMax} ms.`);
    });
    await Promise.race([part.close().finally(() => inTime.abort()), late]);
  }

  /** For tests and tools: a store of this task, with what is not committed yet. */
  storeNamed(name: string): KeyValueStore | undefined {
    const definition = this.#plan.subTopology.stores.find((store) => store.name === name);
    return definition && this.#stores.find(name, definition.usedBy[0]!);
  }

  positions(): TaskPosition[] {
    const sources = this.#sources?.all ?? [];
    return sources.map(({ topic, partition, position, reader, endAtStart }) => {
      const end = Math.max(reader.end, endAtStart, position);
      return { topic, partition, position, end, lag: end - position };
    });
  }

  /** "topic-partition" → next offset, of what is committed. Empty before they are known. */
  committed(): Record<string, number> {
    const entries = (this.#sources?.all ?? []).map((source) => {
      const offset = source.committed < 0 ? source.position : source.committed;
      return [inputName(source), offset] as const;
    });
    return Object.fromEntries(entries);
  }

  #process(read: ReadBatch, sources: TaskSources): StepOutcome {
    const { source, batch } = read;
    this.#streamTimeMs = Math.max(this.#streamTimeMs, newestTimestamp(batch));
    this.#touched = true;
    this.#takenIn.add(batch);
    this.#outputs.mark();
    this.#retry = undefined;
    this.#processing = true;
    const { clock } = this.#environment;
    const startedMs = clock.monotonicMs();
    try {
      this.#graph.process(source.node.name, batch);
    } finally {
      this.#processing = false;
    }
    this.#lastBatch = { rows: batch.n, ms: clock.monotonicMs() - startedMs };
    return this.#retry === undefined ? this.#done(read, sources) : this.#putOff(read, sources);
  }

  #done(read: ReadBatch, sources: TaskSources): StepOutcome {
    sources.done(read);
    this.#waiting = null;
    if (this.#msUntilCommit() <= prepareMsMax) this.#writer!.begin?.();
    return 'taken';
  }

  /** What is there already goes to the log while more is made; a log that is slower is waited for. */
  async #sendAhead(): Promise<void> {
    const { commitBytesMax } = this.#environment.limits;
    if (this.#outputs.bytes < commitBytesMax * aheadShareMin) return;
    if (this.#outputs.bytes >= commitBytesMax * unsentShareMax) await this.#ahead;
    const ahead = this.#writer!.send?.(this.#outputs.appends());
    if (ahead === undefined) return;
    this.#ahead = ahead;
    this.#outputs.clear();
  }

  /** The input stays where it was; what the asking processor made is committed without it. */
  #putOff(read: ReadBatch, sources: TaskSources): StepOutcome {
    const { reason, processor } = this.#retry!;
    if (this.#waiting !== reason) {
      this.#environment.logger.info({ task: this.id, reason }, `task waits: ${reason}`);
    }
    this.#waiting = reason;
    this.#outputs.takeBackExcept(processor);
    sources.retry(read, retryPauseMs);
    this.#commitAtOnce = true;
    return 'put-off';
  }

  async #commit(sources: TaskSources): Promise<void> {
    const { clock, metrics } = this.#environment;
    const offsets = await commitTransaction({
      environment: this.#environment,
      writer: this.#writer!,
      sources,
      outputs: this.#outputs,
      stores: this.#stores,
      streamTimeMs: this.#streamTimeMs,
    });
    this.#outputs.clear();
    for (const { topic, pendingRows } of sources.all)
      metrics.pointsConsumed.inc({ topic }, pendingRows);
    sources.committed(offsets);
    this.#lastCommitAtMs = clock.nowMs();
    this.#reportLag();
  }

  #msUntilDue(): number {
    const monotonicMs = this.#environment.clock.monotonicMs();
    return Math.min(this.#msUntilCommit(), this.#punctuations.msUntilWallClock(monotonicMs));
  }

  /**
   * At the interval since the last commit began, but half of an interval at least is for processing. A task that is behind
   * commits less often: what it took in first has waited for long already, and each commit costs as much as thousands of rows.
   */
  #msUntilCommit(): number {
    const { clock, limits } = this.#environment;
    const moved = this.#touched || this.#sources?.moved;
    if (!moved) return Number.POSITIVE_INFINITY;
    const { commitMsMin } = this.#plan.subTopology;
    const touchedMs = Math.max(limits.commitIntervalMs, commitMsMin);
    const usualMs = this.#touched ? touchedMs : offsetsOnlyCommitMs;
    const behindMs = Math.max(usualMs, Math.min(usualMs * behindIntervals, behindMsMax));
    const intervalMs = this.#isBehind ? behindMs : usualMs;
    const dueMs = Math.max(
      this.#commitStartedMs + intervalMs,
      this.#commitEndedMs + intervalMs / 2,
    );
    return Math.max(0, dueMs - clock.monotonicMs());
  }

  /** More waits than a batch, and than what the open transaction took in. */
  get #isBehind(): boolean {
    const { lag, pendingRows } = this.#sources ?? { lag: 0, pendingRows: 0 };
    return lag > Math.max(this.#environment.limits.batchRowsMax, pendingRows);
  }

  #times(): PunctuationTimes {
    const { clock } = this.#environment;
    return {
      streamTimeMs: this.#streamTimeMs,
      monotonicMs: clock.monotonicMs(),
      nowMs: clock.nowMs(),
    };
  }

  #reportLag(): void {
    for (const { topic, partition, lag } of this.positions()) {
      this.#environment.metrics.consumerLag.set({ topic, partition: String(partition) }, lag);
    }
  }

  #forgetMetrics(): void {
    for (const { topic, partition } of this.positions()) {
      this.#environment.metrics.consumerLag.remove({ topic, partition: String(partition) });
    }
  }

  #running(): TaskSources {
    assert(this.#state === 'RUNNING', `Task ${this.id} is ${this.#state}, not RUNNING.`);
    return this.#sources!;
  }

  #moveTo(state: TaskState): void {
    assert(
      transitions[this.#state].includes(state),
      `Task ${this.id} cannot go from ${this.#state} to ${state}.`,
    );
    this.#state = state;
  }

  #scope(): TaskScope {
    const task = this;
    const { applicationId, logger, metrics, clock } = this.#environment;
    return {
      applicationId,
      taskId: this.id,
      partition: this.#partition,
      logger,
      metrics,
      get streamTimeMs() {
        return task.#streamTimeMs;
      },
      nowMs: () => clock.nowMs(),
      output: (sink, processor) => this.#outputs.to(sink, processor),
      storeOf: (name, processor) => this.#storeOf(name, processor),
      schedule: (intervalMs, kind, callback) =>
        this.#punctuations.schedule(intervalMs, kind, callback, this.#times()),
      retryLater: (reason, processor) => {
        assert(this.#processing, 'retryLater is for use inside `process` only.');
        this.#retry = { reason, processor };
      },
    };
  }

  #storeOf(name: string, processor: string): KeyValueStore | GlobalStore {
    const store = this.#stores.find(name, processor) ?? this.#environment.globalStores.get(name);
    if (store !== undefined) return store;
    throw new InvalidTopologyError(
      `Processor "${processor}" asks for store "${name}", which the topology does not give it.`,
    );
  }
}

export function taskIdOf({ subTopology }: TaskPlan, partition: number): string {
  return `${subTopology.id}_${partition}`;
}

function newestTimestamp({ n, timestamps }: RecordBatch): number {
  let newest = -1;
  for (let row = 0; row < n; row++) {
    if (timestamps[row]! > newest) newest = timestamps[row]!;
  }
  return newest;
}
