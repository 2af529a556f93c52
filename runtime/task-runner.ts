// Runs one task for as long as this process owns it: takes over, steps, commits, and after an error closes it and
// takes over anew, as reactions.ts says. It ends when it is stopped, when another owner fenced it, or when it failed.

import { FatalError, nextTurn, ProcessorFailedError } from '../support/index.ts';
import { reactionTo } from './reactions.ts';
import type { TaskStatus } from './status.ts';
import { Task, taskIdOf } from './task.ts';
import { idleReadMsMax, type TaskEnvironment } from './task-environment.ts';
import type { TaskPlan } from './task-plan.ts';
import { inputName } from './task-sources.ts';

export interface TaskRunnerOptions {
  readonly plan: TaskPlan;
  readonly partition: number;
  readonly environment: TaskEnvironment;
  readonly onMigrated: (taskId: string) => void;
  readonly onFailed: (taskId: string, error: Error) => void;
}

const backoffMsMin = 100;
const backoffMsMax = 5_000;
/** The loop lets other work run after this long without a pause. */
const breathMs = 10;

export class TaskRunner {
  readonly taskId: string;
  readonly #options: TaskRunnerOptions;
  readonly #stopping = new AbortController();
  #task: Task;
  #running: Promise<void> | undefined;
  #rowsMax: number;
  #wipeStores = false;
  #backoffMs = 0;
  #processorFailures = 0;
  /** Input offsets at the last failure of a processor: progress past them clears the count. */
  #failedAt: Readonly<Record<string, number>> = {};
  #failed = false;
  #reason: string | null = null;
  #breathedMs = 0;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#rowsMax = options.environment.limits.batchRowsMax;
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

  status(): TaskStatus {
    return {
      taskId: this.taskId,
      state: this.#failed ? 'FAILED' : this.#task.state,
      positions: this.#task.positions(),
      restoreRemaining: this.#task.restoreRemaining,
      lastCommitAtMs: this.#task.lastCommitAtMs,
      waiting: this.#task.waiting,
      reason: this.#reason,
    };
  }

  async #run(): Promise<void> {
    for (let goOn = true; goOn; ) {
      let failure: { error: unknown } | undefined;
      try {
        await this.#own();
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

  /** One ownership: ends by `stop`, or by an error. */
  async #own(): Promise<void> {
    const task = this.#task;
    await task.open({ wipeStores: this.#wipeStores });
    this.#wipeStores = false;
    while (!this.#isStopping) {
      await task.step(this.#rowsMax, idleReadMsMax);
      if (task.commitDue || this.#shrunk) await this.#commit();
      await this.#breathe();
    }
    await this.#commit();
  }

  async #commit(): Promise<void> {
    if (!(await this.#task.commit())) return;
    const { limits } = this.#options.environment;
    this.#rowsMax = Math.min(limits.batchRowsMax, this.#rowsMax * 2);
    this.#backoffMs = 0;
    this.#reason = null;
    if (this.#hasProgressed()) this.#processorFailures = 0;
  }

  /** After a record that was too large each batch is a transaction, until the batches have their size again. */
  get #shrunk(): boolean {
    return this.#rowsMax < this.#options.environment.limits.batchRowsMax;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** @returns whether to take over again. */
  #react(error: unknown, positions: Readonly<Record<string, number>>): boolean {
    this.#reason = messageOf(error);
    if (error instanceof ProcessorFailedError) this.#countFailure(error, positions);
    const reaction = reactionTo(error, {
      rowsMax: this.#rowsMax,
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
    if (reaction === 'smaller') this.#rowsMax = Math.ceil(this.#rowsMax / 2);
    this.#backoffMs = reaction === 'smaller' ? 0 : nextBackoffMs(this.#backoffMs);
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
    const message = `Task ${this.taskId} has stopped. ${this.#reason}`;
    this.#options.environment.logger.error({ task: this.taskId, err: error }, message);
    this.#options.onFailed(
      this.taskId,
      new FatalError(message, { taskId: this.taskId, cause: error }),
    );
  }

  #offsets(): Record<string, number> {
    const entries = this.#task.positions().map((at) => [inputName(at), at.position] as const);
    return Object.fromEntries(entries);
  }

  async #breathe(): Promise<void> {
    const { clock } = this.#options.environment;
    if (clock.monotonicMs() - this.#breathedMs < breathMs) return;
    await nextTurn();
    this.#breathedMs = clock.monotonicMs();
  }

  #newTask(): Task {
    const { plan, partition, environment } = this.#options;
    return new Task(plan, partition, environment);
  }
}

function nextBackoffMs(backoffMs: number): number {
  return Math.min(backoffMsMax, Math.max(backoffMsMin, backoffMs * 2));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
