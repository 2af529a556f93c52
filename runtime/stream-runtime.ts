// Runs a topology over a broker: one task per sub-topology and partition that the group gives to this process.
//
//   CREATED ──start──► STARTING ──► RUNNING ──stop──► STOPPING ──► STOPPED
//                                     │  ▲
//                    a task fails for good (FAILED; the others go on)
//
//   start   checks the topics, makes the changelogs, fills the global stores, joins the group
//   then    every assignment is compared with the tasks that run: those no longer ours are stopped, new ones are
//           started, and those that stay are left alone
//   stop    tasks finish and commit what they have in hand, then the stores close, then the group is left

import { join } from 'node:path';
import type { AssignedTask, GroupMember } from '../broker/index.ts';
import type { GlobalStore } from '../state-stores/index.ts';
import { assert, crashPoint, FatalError } from '../support/index.ts';
import { GlobalStoreReader } from './global-store-reader.ts';
import {
  compileRuntimeOptions,
  type RuntimeOptions,
  type StreamRuntimeOptions,
} from './options.ts';
import type { RuntimeState, RuntimeStatus } from './status.ts';
import type { TaskEnvironment } from './task-environment.ts';
import { planTasks, type TaskPlan } from './task-plan.ts';
import { TaskRunner } from './task-runner.ts';

export class StreamRuntime {
  readonly #options: RuntimeOptions;
  readonly #stopping = new AbortController();
  readonly #globals: ReadonlyMap<string, GlobalStoreReader>;
  readonly #environment: TaskEnvironment;
  readonly #runners = new Map<string, TaskRunner>();
  /** Tasks that are being stopped: one must be gone before it may be started again. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Fenced since the last assignment: not ours to start until the group says so again. */
  readonly #migrated = new Set<string>();
  #plans: readonly TaskPlan[] = [];
  /** The latest assignment; undefined before the first. */
  #assigned: ReadonlyMap<string, AssignedTask> | undefined;
  #assignments = 0;
  #member: GroupMember | undefined;
  #rejoining: Promise<void> = Promise.resolve();
  #state: RuntimeState = 'CREATED';
  #stopped: Promise<void> | undefined;

  constructor(options: StreamRuntimeOptions) {
    this.#options = compileRuntimeOptions(options);
    this.#globals = this.#globalStoreReaders();
    this.#environment = this.#taskEnvironment();
  }

  /**
   * Resolves when the group is joined; tasks follow with its assignment.
   * @throws InvalidTopologyError, also when topics are missing; DependencyDownError.
   */
  async start(): Promise<void> {
    assert(this.#state === 'CREATED', `A runtime is started once; this one is ${this.#state}.`);
    this.#state = 'STARTING';
    const { broker, logger, applicationId } = this.#options;
    await broker.connect();
    this.#plans = await planTasks(this.#options);
    for (const [name, reader] of this.#globals) {
      await reader.fill();
      logger.info({ store: name }, `global store ${name} is filled`);
      reader.start();
    }
    if (this.#isStopping) return;
    await this.#join();
    if (this.#isStopping) return this.#member?.leave();
    if (this.#state === 'STARTING') this.#state = 'RUNNING';
    logger.info({ application: applicationId }, `application ${applicationId} has started`);
  }

  /** Idempotent. @throws FatalError when the deadline (`stopTimeoutMs`) passed first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  status(): RuntimeStatus {
    const tasks = [...this.#runners.values()].map((runner) => runner.status());
    const reasons = [
      ...(this.#state === 'RUNNING' ? [] : [`The runtime is ${this.#state}.`]),
      ...(this.#assigned === undefined ? ['The group has assigned no tasks yet.'] : []),
      ...[...this.#globals.values()]
        .map((reader) => reader.failed)
        .filter((it) => it !== undefined),
      ...tasks
        .filter((task) => task.state !== 'RUNNING')
        .map((task) => `Task ${task.taskId} is ${task.state}. ${task.reason ?? ''}`.trim()),
      ...[...this.#migrated].map((taskId) => `Task ${taskId} has another owner.`),
    ];
    return { state: this.#state, ready: reasons.length === 0, reasons, tasks };
  }

  /** The process-wide store of that name in the topology; full once `start` has resolved. */
  globalStore<Store extends GlobalStore>(name: string): Store {
    const reader = this.#globals.get(name);
    assert(reader !== undefined, `The topology has no global store "${name}".`);
    return reader.store as Store;
  }

  async #join(): Promise<void> {
    const { broker, applicationId, instanceId, sessionTimeoutMs } = this.#options;
    this.#member = await broker.joinGroup({
      group: applicationId,
      instanceId,
      sessionTimeoutMs,
      taskGroups: this.#plans.map(({ subTopology: { id, sources } }) => ({
        id,
        topics: sources.map((source) => source.topic),
      })),
      onAssignment: (tasks) => this.#onAssignment(tasks),
    });
  }

  #onAssignment(tasks: readonly AssignedTask[]): void {
    if (this.#isStopping) return;
    const { logger, metrics } = this.#options;
    this.#assigned = new Map(tasks.map((task) => [`${task.group}_${task.partition}`, task]));
    this.#assignments += 1;
    this.#migrated.clear();
    metrics.rebalances.inc();
    logger.info(
      { tasks: [...this.#assigned.keys()] },
      `the group has assigned ${tasks.length} tasks`,
    );
    this.#reconcile();
  }

  /** Makes the tasks that run those that are assigned. Tasks that stay are not touched. */
  #reconcile(): void {
    if (this.#isStopping) return;
    const assigned = this.#assigned ?? new Map<string, AssignedTask>();
    for (const taskId of this.#runners.keys()) {
      if (!assigned.has(taskId)) this.#release(taskId);
    }
    crashPoint('rebalancing');
    for (const [taskId, task] of assigned) {
      const busy = this.#runners.has(taskId) || this.#leaving.has(taskId);
      if (!busy && !this.#migrated.has(taskId)) this.#begin(taskId, task);
    }
    this.#options.metrics.partitionsAssigned.set(this.#runners.size);
  }

  #begin(taskId: string, { group, partition }: AssignedTask): void {
    const plan = this.#plans.find(({ subTopology }) => subTopology.id === group);
    assert(plan !== undefined, `The group assigns task ${taskId}, which is not in the topology.`);
    const runner = new TaskRunner({
      plan,
      partition,
      environment: this.#environment,
      onMigrated: () => this.#onMigrated(taskId, runner),
      onFailed: (_, error) => this.#fail(error),
    });
    this.#runners.set(taskId, runner);
    runner.start();
  }

  #release(taskId: string): void {
    const runner = this.#runners.get(taskId)!;
    this.#runners.delete(taskId);
    const gone = runner.stop().then(() => {
      this.#leaving.delete(taskId);
      this.#reconcile();
    });
    this.#leaving.set(taskId, gone);
  }

  /** Another owner has fenced the task. The group's next word decides; if none comes, it is asked. */
  #onMigrated(taskId: string, runner: TaskRunner): void {
    if (this.#runners.get(taskId) !== runner || this.#isStopping) return;
    this.#release(taskId);
    this.#migrated.add(taskId);
    this.#rejoining = this.#rejoining.then(() => this.#rejoinIfSilent());
  }

  async #rejoinIfSilent(): Promise<void> {
    const { clock, sessionTimeoutMs, logger } = this.#options;
    const heard = this.#assignments;
    await clock.sleep(sessionTimeoutMs, this.#stopping.signal);
    if (this.#isStopping || this.#migrated.size === 0 || heard !== this.#assignments) return;
    logger.warn(
      { tasks: [...this.#migrated] },
      'tasks were fenced and no new assignment came: joining the group again',
    );
    try {
      await this.#member?.leave();
      await this.#join();
    } catch (err) {
      logger.warn({ err }, 'the group could not be joined again; trying once more');
      this.#rejoining = this.#rejoining.then(() => this.#rejoinIfSilent());
    }
  }

  #fail(error: Error): void {
    if (this.#state === 'RUNNING' || this.#state === 'STARTING') this.#state = 'FAILED';
    this.#options.onFatal(error);
  }

  async #stop(): Promise<void> {
    this.#state = 'STOPPING';
    this.#stopping.abort();
    const { clock, stopTimeoutMs } = this.#options;
    const inTime = new AbortController();
    const late = clock.sleep(stopTimeoutMs, inTime.signal).then(() => {
      if (inTime.signal.aborted) return;
      throw new FatalError(`The runtime did not stop within ${stopTimeoutMs} ms.`);
    });
    const done = this.#closeAll().finally(() => inTime.abort());
    await Promise.race([done, late]);
    this.#state = 'STOPPED';
  }

  async #closeAll(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    await Promise.all(this.#leaving.values());
    await Promise.all([...this.#globals.values()].map((reader) => reader.stop()));
    await this.#rejoining;
    await this.#member?.leave();
    this.#options.metrics.partitionsAssigned.set(0);
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #globalStoreReaders(): Map<string, GlobalStoreReader> {
    const { topology, broker, clock, logger } = this.#options;
    const onFailed = (error: Error) => this.#fail(error);
    return new Map(
      topology.globalStores.map((node) => [
        node.name,
        new GlobalStoreReader({ node, broker, clock, logger, onFailed }),
      ]),
    );
  }

  #taskEnvironment(): TaskEnvironment {
    const { stateDir, applicationId, openEngine, logger } = this.#options;
    const { commitIntervalMs, commitRowsMax, commitBytesMax, batchRowsMax } = this.#options;
    const { broker, clock, metrics, autoOffsetReset } = this.#options;
    return {
      ...{ applicationId, broker, clock, logger, metrics, autoOffsetReset },
      globalStores: new Map([...this.#globals].map(([name, { store }]) => [name, store])),
      openStore: (taskId, name) =>
        openEngine({ name, dir: join(stateDir, applicationId, taskId, name), logger }),
      limits: { commitIntervalMs, commitRowsMax, commitBytesMax, batchRowsMax },
    };
  }
}
