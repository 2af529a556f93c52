// Runs a topology over a broker: one task per sub-topology and partition that the group gives to this process.
//
//   CREATED ──start──► STARTING ──► RUNNING ──stop──► STOPPING ──► STOPPED
//                                     │  ▲
//                    a task fails for good (FAILED; the others go on)
//
//   start   checks the topics, makes the changelogs, fills the global stores, joins the group
//   then    every assignment is compared with the tasks that run: those no longer ours are stopped, new ones are
//           started, and those that stay are left alone. Replicas (replica.ts) likewise; one whose task is assigned here
//           is stopped first, then the task takes over its stores
//   stop    tasks finish and commit what they have in hand, then the stores close, then the group is left

import { join } from 'node:path';
import type { AssignedReplica, AssignedTask, GroupMember, HeldTask } from '../broker/index.ts';
import { changelogTopic } from '../schemas/index.ts';
import type { GlobalStore } from '../state-stores/index.ts';
import { assert, crashPoint, FatalError } from '../support/index.ts';
import { Breath } from './breath.ts';
import { GlobalStoreReader } from './global-store-reader.ts';
import { HeldStores } from './held-stores.ts';
import {
  compileRuntimeOptions,
  type RuntimeOptions,
  type StreamRuntimeOptions,
} from './options.ts';
import { Replica } from './replica.ts';
import type { RuntimeState, RuntimeStatus, TaskStatus } from './status.ts';
import type { TaskEnvironment } from './task-environment.ts';
import { planTasks, type TaskPlan } from './task-plan.ts';
import { TaskRunner } from './task-runner.ts';
import { Watchdog } from './watchdog.ts';

/** How often tasks and replicas are looked at. */
const lookMs = 500;
/** A replica that has caught up asks for its task at most this often. */
const askMsMin = 10_000;

export class StreamRuntime {
  readonly #options: RuntimeOptions;
  readonly #stopping = new AbortController();
  readonly #globals: ReadonlyMap<string, GlobalStoreReader>;
  readonly #environment: TaskEnvironment;
  readonly #runners = new Map<string, TaskRunner>();
  readonly #replicas = new Map<string, Replica>();
  readonly #heldStores: HeldStores;
  readonly #watchdog: Watchdog;
  /** Tasks that are being stopped: one must be gone before it may be started again. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Fenced since the last assignment: not ours to start until the group says so again. */
  readonly #migrated = new Set<string>();
  #plans: readonly TaskPlan[] = [];
  /** The latest assignment; undefined before the first. */
  #assigned: ReadonlyMap<string, AssignedTask> | undefined;
  #assignedReplicas: ReadonlyMap<string, AssignedReplica> = new Map();
  #assignments = 0;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #stopLooking: () => void = () => {};
  #member: GroupMember | undefined;
  #rejoining: Promise<void> = Promise.resolve();
  #state: RuntimeState = 'CREATED';
  #stopped: Promise<void> | undefined;

  constructor(options: StreamRuntimeOptions) {
    this.#options = compileRuntimeOptions(options);
    this.#globals = this.#globalStoreReaders();
    this.#environment = this.#taskEnvironment();
    const { applicationId, storeEngine, broker, clock, logger, metrics } = this.#options;
    this.#heldStores = new HeldStores({
      ...{ applicationId, storeEngine, clock, logger },
      dirOf: (taskId, store) => this.#dirOf(taskId, store),
    });
    const timeoutMs = this.#options.watchdogTimeoutMs;
    this.#watchdog = new Watchdog({ broker, clock, logger, metrics, timeoutMs });
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
    await this.#heldStores.scan(this.#plans);
    if (this.#isStopping) return;
    this.#stopLooking = this.#options.clock.every(lookMs, () => this.#look());
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
    const tasks = [...this.#runners.values()].map((runner) => ({
      ...runner.status(),
      stuck: this.#watchdog.stuck(runner),
    }));
    const reasons = [
      ...(this.#state === 'RUNNING' ? [] : [`The runtime is ${this.#state}.`]),
      ...(this.#assigned === undefined ? ['The group has assigned no tasks yet.'] : []),
      ...[...this.#globals.values()]
        .map((reader) => reader.failed)
        .filter((it) => it !== undefined),
      ...tasks
        .filter((task) => task.state !== 'RUNNING')
        .map((task) => `Task ${task.taskId} is ${task.state}. ${notRunning(task)}`.trim()),
      // Without them a task that is closed and opened over a fault that lasts would be ready in turns.
      ...[...this.#runners.values()]
        .filter((runner) => runner.isInArrears)
        .map((runner) => runner.status())
        .map((it) => `Task ${it.taskId} commits nothing since it was interrupted. ${it.reason}`),
      ...tasks.map((task) => task.stuck).filter((stuck) => stuck !== null),
      ...[...this.#migrated].map((taskId) => `Task ${taskId} has another owner.`),
    ];
    return {
      ...{ state: this.#state, ready: reasons.length === 0, reasons, tasks },
      replicas: [...this.#replicas.values()].map((replica) => replica.status()),
      live: this.#state !== 'FAILED' && !this.#watchdog.inVain,
    };
  }

  /** The process-wide store of that name in the topology; full once `start` has resolved. */
  globalStore<Store extends GlobalStore>(name: string): Store {
    const reader = this.#globals.get(name);
    assert(reader !== undefined, `The topology has no global store "${name}".`);
    return reader.store as Store;
  }

  async #join(): Promise<void> {
    const { broker, applicationId, instanceId, processId, sessionTimeoutMs } = this.#options;
    const { standbyReplicas, warmupReplicasMax, recoveryLagMax } = this.#options;
    this.#member = await broker.joinGroup({
      ...{ group: applicationId, instanceId, processId, sessionTimeoutMs },
      taskGroups: this.#plans.map(({ subTopology: { id, sources, stores } }) => ({
        id,
        topics: sources.map((source) => source.topic),
        changelogs: stores.map(({ name }) => changelogTopic(applicationId, name)),
      })),
      replicas: {
        ...{ standbys: standbyReplicas, warmUpsMax: warmupReplicasMax, lagMax: recoveryLagMax },
      },
      held: () => this.#held(),
      onAssignment: (tasks, replicas) => this.#onAssignment(tasks, replicas),
    });
  }

  /** What is here of any task, for the group to judge by. */
  #held(): HeldTask[] {
    const live = [
      ...[...this.#runners.values()].map((runner) => runner.held()),
      ...[...this.#replicas.values()].map(({ task, changelogOffset }) => ({
        ...{ ...task, active: false, offset: changelogOffset },
      })),
    ];
    const known = new Set(live.map(({ group, partition }) => `${group}_${partition}`));
    const left = this.#heldStores.entries().filter(([taskId]) => !known.has(taskId));
    return [...live, ...left.map(([, { task, offset }]) => ({ ...task, active: false, offset }))];
  }

  #onAssignment(tasks: readonly AssignedTask[], replicas: readonly AssignedReplica[]): void {
    if (this.#isStopping) return;
    const { logger, metrics } = this.#options;
    this.#assignedReplicas = new Map(replicas.map((it) => [`${it.group}_${it.partition}`, it]));
    this.#assigned = new Map(tasks.map((task) => [`${task.group}_${task.partition}`, task]));
    this.#assignments += 1;
    this.#migrated.clear();
    metrics.rebalances.inc();
    logger.info(
      { tasks: [...this.#assigned.keys()], replicas: [...this.#assignedReplicas.keys()] },
      `the group has assigned ${tasks.length} tasks and ${replicas.length} replicas`,
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
    for (const taskId of this.#replicas.keys()) {
      if (assigned.has(taskId) || !this.#assignedReplicas.has(taskId)) this.#dropReplica(taskId);
    }
    crashPoint('rebalancing');
    for (const [taskId, task] of assigned) {
      const busy = this.#runners.has(taskId) || this.#leaving.has(taskId);
      if (!busy && !this.#migrated.has(taskId)) this.#begin(taskId, task);
    }
    for (const [taskId, replica] of this.#assignedReplicas) this.#follow(taskId, replica);
    this.#options.metrics.partitionsAssigned.set(this.#runners.size);
    for (const kind of ['standby', 'warm-up'] as const) {
      const count = [...this.#replicas.values()].filter((replica) => replica.kind === kind).length;
      this.#options.metrics.replicas.set({ kind }, count);
    }
  }

  #follow(taskId: string, { group, partition, kind }: AssignedReplica): void {
    const replica = this.#replicas.get(taskId);
    if (replica !== undefined) replica.kind = kind;
    if (replica ?? this.#runners.get(taskId) ?? this.#leaving.get(taskId)) return;
    const begun = new Replica({
      ...{ plan: this.#planOf(group, taskId), partition, kind },
      environment: this.#environment,
    });
    this.#replicas.set(taskId, begun);
    begun.start();
  }

  #planOf(group: string, taskId: string): TaskPlan {
    const plan = this.#plans.find(({ subTopology }) => subTopology.id === group);
    assert(plan !== undefined, `The group assigns task ${taskId}, which is not in the topology.`);
    return plan;
  }

  #begin(taskId: string, { group, partition }: AssignedTask): void {
    const runner = new TaskRunner({
      plan: this.#planOf(group, taskId),
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
    const { group, partition } = runner.held();
    this.#leave(taskId, { group, partition }, runner);
  }

  #dropReplica(taskId: string): void {
    const replica = this.#replicas.get(taskId)!;
    this.#replicas.delete(taskId);
    this.#leave(taskId, replica.task, replica);
  }

  #leave(taskId: string, task: AssignedTask, leaving: TaskRunner | Replica): void {
    const gone = leaving.stop().then(() => {
      const { stores } = this.#planOf(task.group, taskId).subTopology;
      if (stores.length > 0) this.#heldStores.note(taskId, task, leaving.changelogOffset);
      this.#leaving.delete(taskId);
      this.#reconcile();
    });
    this.#leaving.set(taskId, gone);
  }

  /** A warm-up that has caught up asks for its task; and the watchdog takes its round. */
  #look(): void {
    if (this.#isStopping) return;
    const { clock, recoveryLagMax, watchdogTimeoutMs } = this.#options;
    const isReady = ({ kind, lag }: Replica) =>
      kind === 'warm-up' && lag !== null && lag <= recoveryLagMax;
    const sinceAskedMs = clock.monotonicMs() - this.#askedAtMs;
    if (sinceAskedMs >= askMsMin && [...this.#replicas.values()].some(isReady)) {
      this.#askedAtMs = clock.monotonicMs();
      this.#member?.rejoin();
    }
    if (watchdogTimeoutMs > 0) void this.#watchdog.check([...this.#runners.values()]);
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
    this.#stopLooking();
    const all = [...this.#runners.values(), ...this.#replicas.values()];
    await Promise.all(all.map((one) => one.stop()));
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
    const { applicationId, openEngine, logger } = this.#options;
    const { commitIntervalMs, commitRowsMax, commitBytesMax, batchRowsMax } = this.#options;
    const { broker, clock, metrics, autoOffsetReset, processingGuarantee } = this.#options;
    return {
      ...{ applicationId, broker, clock, logger, metrics, autoOffsetReset, processingGuarantee },
      breath: new Breath(clock),
      globalStores: new Map([...this.#globals].map(([name, { store }]) => [name, store])),
      openStore: (taskId, name) => openEngine({ name, dir: this.#dirOf(taskId, name), logger }),
      limits: { commitIntervalMs, commitRowsMax, commitBytesMax, batchRowsMax },
    };
  }

  #dirOf(taskId: string, store: string): string {
    const { stateDir, applicationId } = this.#options;
    return join(stateDir, applicationId, taskId, store);
  }
}

/** What a task that does not run is about. */
function notRunning({ reason, restoreRemaining, restoreSecondsLeft }: Omit<TaskStatus, 'stuck'>) {
  if (restoreRemaining === 0) return reason ?? '';
  const left = restoreSecondsLeft === null ? '' : `, about ${restoreSecondsLeft} s`;
  return `${restoreRemaining} changelog records to restore${left}. ${reason ?? ''}`;
}
