// Runs one task for as long as this process owns it: takes over, steps, commits, and after an error closes it and
// takes over anew, as reactions.ts says. It ends when it is stopped, when another owner fenced it, or when it failed.

import type { HeldTask, TopicPartition } from '../broker/index.ts';
import {
  FatalError,
  nextBackoffMs,
  ProcessorFailedError,
  RecordTooLargeError,
  RetriableError,
} from '../support/index.ts';
import { BatchSize } from './batch-size.ts';
import { reactionTo } from './reactions.ts';
import type { TaskStatus } from './status.ts';
import { Task, taskIdOf } from './task.ts';
import { idleReadMsMax, type TaskEnvironment } from './task-environment.ts';
import type { TaskPlan } from './task-plan.ts';
import { inputName } from './task-sources.ts';
import type { TaskProgress, WatchedTask } from './watchdog.ts';

export interface TaskRunnerOptions {
  readonly plan: TaskPlan;
  readonly partition: number;
  readonly environment: TaskEnvironment;
  readonly onMigrated: (taskId: string) => void;
  readonly onFailed: (taskId: string, error: Error) => void;
}

const backoff = { msMin: 100, msMax: 5_000 } as const;

export class TaskRunner implements WatchedTask {
  readonly taskId: string;
  readonly #options: TaskRunnerOptions;
  readonly #stopping = new AbortController();
  #task: Task;
  #running: Promise<void> | undefined;
  readonly #batchSize: BatchSize;
  #wipeStores = false;
  #backoffMs = 0;
  #processorFailures = 0;
  /** Input offsets at the last failure of a processor: progress past them clears the count. */
  #failedAt: Readonly<Record<string, number>> = {};
  #failed = false;
  #reason: string | null = null;
  /** Times that a call threw. */
  #errors = 0;
  #abandoned = false;
  #abandon: (reason: Error) => void = () => {};

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#batchSize = new BatchSize(options.environment.limits.batchRowsMax);
    this.#task = this.#newTask();
    this.taskId = taskIdOf(options.plan, options.partition);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Commits what was taken in, and closes. Resolves when nothing of the task is left open. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#task.interrupt();
    await this.#running;
  }

  /** Closes the task as it is, even in the middle of a call that does not answer, and takes over anew. */
  restart(reason: string): void {
    this.#abandoned = true;
    this.#abandon(new RetriableError(reason, { taskId: this.taskId }));
    this.#task.interrupt();
  }

  get inputs(): TopicPartition[] {
    const { plan, partition } = this.#options;
    return plan.subTopology.sources.map(({ topic }) => ({ topic, partition }));
  }

  /** For the group: what is here of the task. */
  held(): HeldTask {
    const { plan, partition } = this.#options;
    const offset = this.#task.state === 'RUNNING' ? 'end' : this.#task.changelogOffset;
    return { group: plan.subTopology.id, partition, active: true, offset };
  }

  /** How far its stores are: the sum of their next changelog offsets. */
  get changelogOffset(): number {
    return this.#task.changelogOffset;
  }

  progress(): TaskProgress {
    const { state, waiting, lastCommitAtMs, restoreRemaining } = this.#task;
    const committed = this.#task.committed();
    return {
      positions: Object.values(committed).reduce((sum, offset) => sum + offset, 0),
      committed,
      lastCommitAtMs: lastCommitAtMs ?? 0,
      restoreRemaining,
      opening: state !== 'RUNNING',
      errors: this.#errors,
      closing: this.#abandoned,
      excused: this.#failed || this.#isStopping || waiting !== null,
    };
  }

  /** It runs again after an interruption, and what it took in before that is not committed yet. */
  get isInArrears(): boolean {
    const task = this.#task;
    if (this.#reason === null || task.state !== 'RUNNING' || task.waiting !== null) return false;
    const committed = task.committed();
    return task.positions().some((at) => at.end > (committed[inputName(at)] ?? at.end));
  }

  status(): Omit<TaskStatus, 'stuck'> {
    return {
      taskId: this.taskId,
      state: this.#failed ? 'FAILED' : this.#task.state,
      positions: this.#task.positions(),
      restoreRemaining: this.#task.restoreRemaining,
      restoreSecondsLeft: this.#task.restoreSecondsLeft,
      lastCommitAtMs: this.#task.lastCommitAtMs,
      waiting: this.#task.waiting,
      reason: this.#reason,
    };
  }

  async #run(): Promise<void> {
    for (let goOn = true; goOn; ) {
      let failure: { error: unknown } | undefined;
      try {
        await this.#ownUnlessAbandoned();
      } catch (error) {
        failure = { error };
      }
      const positions = this.#offsets();
      await this.#task.close();
      goOn = failure !== undefined && !this.#isStopping && this.#react(failure.error, positions);
      if (goOn) await this.#options.environment.clock.sleep(this.#backoffMs, this.#stopping.signal);
      goOn &&= !this.#isStopping;
      if (goOn) this.#task = this.#newTask();
    }
  }

  /** What hangs in an abandoned ownership finds its task closed when it goes on; nobody listens to it any more. */
  async #ownUnlessAbandoned(): Promise<void> {
    const abandoned = new Promise<never>((_, reject) => {
      this.#abandon = reject;
    });
    abandoned.catch(() => {});
    await Promise.race([this.#own(this.#task), abandoned]);
  }

  /** One ownership: ends by `stop`, or by an error. */
  async #own(task: Task): Promise<void> {
    await task.open({ wipeStores: this.#wipeStores });
    this.#wipeStores = false;
    while (!this.#isStopping) {
      const outcome = await task.step(this.#batchSize.rowsMax, idleReadMsMax);
      if (outcome === 'taken') this.#batchSize.took(task.lastBatch.rows, task.lastBatch.ms);
      if (task.commitDue || this.#batchSize.isShrunk) await this.#commit(task);
      await this.#options.environment.breath.take();
    }
    await this.#commit(task);
  }

  async #commit(task: Task): Promise<void> {
    if (!(await task.commit()) || task !== this.#task) return;
    this.#batchSize.committed(task.committed());
    this.#backoffMs = 0;
    this.#reason = null;
    if (this.#hasProgressed()) this.#processorFailures = 0;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** @returns whether to take over again. */
  #react(error: unknown, positions: Readonly<Record<string, number>>): boolean {
    this.#reason = messageOf(error);
    if (!this.#abandoned) this.#errors += 1;
    this.#abandoned = false;
    if (error instanceof ProcessorFailedError) this.#countFailure(error, positions);
    const reaction = reactionTo(error, {
      rows: this.#task.takenIn.rows,
      processorFailures: this.#processorFailures,
    });
    const { logger } = this.#options.environment;
    logger.warn(
      { task: this.taskId, reaction, err: error },
      `Task ${this.taskId} was interrupted: ${this.#reason}`,
    );
    if (reaction === 'fail') this.#fail(error);
    if (reaction === 'drop') this.#options.onMigrated(this.taskId);
    if (reaction === 'wipe') this.#wipeStores = true;
    if (reaction === 'smaller') this.#batchSize.shrink(this.#task.takenIn);
    this.#backoffMs = reaction === 'smaller' ? 0 : nextBackoffMs(this.#backoffMs, backoff);
    return reaction !== 'fail' && reaction !== 'drop';
  }

  #countFailure(error: ProcessorFailedError, positions: Readonly<Record<string, number>>): void {
    this.#processorFailures += 1;
    const { topic, partition } = error.fields;
    const input = inputName({ topic: String(topic), partition: Number(partition) });
    const at = positions[input];
    this.#failedAt = at === undefined ? positions : { [input]: at };
  }

  #hasProgressed(): boolean {
    const positions = this.#offsets();
    return Object.entries(this.#failedAt).some(([input, at]) => positions[input]! > at);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    if (error instanceof RecordTooLargeError) this.#reason = `${this.#maker} ${this.#reason}`;
    const message = `Task ${this.taskId} has stopped. ${this.#reason}`;
    this.#options.environment.logger.error({ task: this.taskId, err: error }, message);
    this.#options.onFailed(
      this.taskId,
      new FatalError(message, { taskId: this.taskId, cause: error }),
    );
  }

  /** Of a record that can never fit. */
  get #maker(): string {
    const { first } = this.#task.takenIn;
    if (first === undefined) return 'What it makes without a record of its input can never fit.';
    return `What it makes of the record at ${inputName(first)}, offset ${first.offset}, can never fit.`;
  }

  #offsets(): Record<string, number> {
    const entries = this.#task.positions().map((at) => [inputName(at), at.position] as const);
    return Object.fromEntries(entries);
  }

  #newTask(): Task {
    const { plan, partition, environment } = this.#options;
    return new Task(plan, partition, environment);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
