// Runs any topology with no broker and a clock the test moves. Tasks, commits and restores are the real ones; only the
// log is in memory. What a task writes to a topic is read by whoever has it as a source or a global store.
//
//   const driver = await TopologyTestDriver.create(topology, { partitions: { lines: 2 } });
//   await driver.pipe('lines', [{ key: 'a', value: 'one two' }]);
//   await driver.run();                          // until nothing moves any more, committed
//   expect(await driver.read('totals')).toEqual([...]);
//
//   await driver.process(3);                     // three batches, not committed …
//   await driver.crash();                        // … and lost: the tasks are over the last commit again

import { join } from 'node:path';
import { RecordBatchBuilder, type RecordHeader } from '../../schemas/index.ts';
import {
  type EngineKind,
  type GlobalStore,
  type KeyValueStore,
  openEngine,
} from '../../state-stores/index.ts';
import { assert, type Logger, ManualClock, Metrics, silentLogger } from '../../support/index.ts';
import type { Topology } from '../../topology/index.ts';
import { Breath } from '../breath.ts';
import { GlobalStoreReader } from '../global-store-reader.ts';
import { Task } from '../task.ts';
import type { TaskEnvironment } from '../task-environment.ts';
import { planTasks, type TaskPlan } from '../task-plan.ts';
import { MemoryBroker } from './memory-broker.ts';
import { type PlainRecord, readAll } from './read-all.ts';

export interface TestDriverOptions {
  /** Topic → partition count; 1 for topics not named. */
  readonly partitions?: Readonly<Record<string, number>>;
  readonly clock?: ManualClock;
  /** Default memory, whose stores are restored from the changelog after each crash; engines with files need a folder. */
  readonly stores?: 'memory' | { readonly engine: EngineKind; readonly stateDir: string };
  /** Default "test". */
  readonly applicationId?: string;
  /** Default 4096. */
  readonly batchRowsMax?: number;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

/** Text goes in as UTF-8. */
export interface PipedRecord {
  readonly key?: string | Uint8Array | null;
  readonly value: string | Uint8Array | null;
  /** Default: the clock's time. */
  readonly timestamp?: number;
  readonly headers?: readonly RecordHeader[];
  /** Default: by the key's bytes; 0 without a key. */
  readonly partition?: number;
}

const roundsMax = 10_000;

export class TopologyTestDriver {
  readonly clock: ManualClock;
  readonly broker: MemoryBroker;
  readonly metrics: Metrics;
  readonly #topology: Topology;
  readonly #options: TestDriverOptions;
  readonly #drained = new Map<string, number>();
  #plans: readonly TaskPlan[] = [];
  #globals: GlobalStoreReader[] = [];
  #tasks: Task[] = [];
  readonly #stopped = new Set<string>();

  static async create(
    topology: Topology,
    options: TestDriverOptions = {},
  ): Promise<TopologyTestDriver> {
    const driver = new TopologyTestDriver(topology, options);
    await driver.#open();
    return driver;
  }

  private constructor(topology: Topology, options: TestDriverOptions) {
    this.#topology = topology;
    this.#options = options;
    this.clock = options.clock ?? new ManualClock();
    this.metrics = options.metrics ?? new Metrics();
    this.broker = new MemoryBroker(this.clock);
  }

  /** Appends to a topic. @returns where each record went. */
  async pipe(
    topic: string,
    records: PipedRecord | readonly PipedRecord[],
  ): Promise<{ partition: number; offset: number }[]> {
    const many = Array.isArray(records) ? (records as readonly PipedRecord[]) : [records];
    const partitions = this.broker.partitionsOf(topic);
    return (many as readonly PipedRecord[]).map((record) => {
      const key = bytesOf(record.key ?? null);
      const partition = record.partition ?? partitionOf(key, partitions);
      const row = new RecordBatchBuilder(1, 64);
      const timestamp = record.timestamp ?? this.clock.nowMs();
      row.append(timestamp, key, bytesOf(record.value), record.headers);
      const [at] = this.broker.append([{ topic, partition, records: row }]);
      return { partition, offset: at!.baseOffset };
    });
  }

  /** Takes in batches, at most so many, and commits nothing. Tasks take turns. */
  async process(batchesMax = Number.POSITIVE_INFINITY): Promise<number> {
    let batches = 0;
    await this.#catchUp();
    for (let moved = true; moved; ) {
      moved = false;
      for (const task of this.#tasks) {
        if (batches === batchesMax) return batches;
        if ((await task.step(this.#rowsMax, 0)) !== 'taken') continue;
        batches += 1;
        moved = true;
      }
    }
    return batches;
  }

  /** Commits every task. @returns whether any had something to commit. */
  async commit(): Promise<boolean> {
    let committed = false;
    for (const task of this.#tasks) committed = (await task.commit()) || committed;
    return committed;
  }

  /** Processes and commits until nothing moves any more; batches put off are tried again as long as something does. */
  async run(): Promise<void> {
    for (let round = 0; await this.#round(); round++) {
      assert(round < roundsMax, `The topology does not come to rest in ${roundsMax} rounds.`);
    }
  }

  /** Moves the clock, then runs: wall-clock punctuations that are due are made once. */
  async advanceWallClock(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.run();
  }

  /** What came to a topic since the last call, by partition and offset. */
  async read(topic: string): Promise<PlainRecord[]> {
    const records = await readAll(this.broker, topic, (partition) => {
      return this.#drained.get(`${topic}-${partition}`) ?? 0;
    });
    for (const { partition, end } of await this.broker.listOffsets(topic)) {
      this.#drained.set(`${topic}-${partition}`, end);
    }
    return records;
  }

  /** A store of a task, with what is not committed yet. */
  store(name: string, partition = 0): KeyValueStore {
    const of = this.#plans.find(({ subTopology }) =>
      subTopology.stores.some((store) => store.name === name),
    );
    const task = this.#tasks.find((it) => it.id === `${of?.subTopology.id}_${partition}`);
    const store = task?.storeNamed(name);
    assert(store !== undefined, `No task has a store "${name}" on partition ${partition}.`);
    return store;
  }

  globalStore<Store extends GlobalStore>(name: string): Store {
    const at = this.#topology.globalStores.findIndex((node) => node.name === name);
    assert(at >= 0, `The topology has no global store "${name}".`);
    return this.#globals[at]!.store as Store;
  }

  /** As when the processes that run them are down: tasks of a sub-topology take nothing in until `startTasks`. */
  stopTasks(subTopology: string): void {
    this.#stopped.add(subTopology);
  }

  startTasks(subTopology: string): void {
    this.#stopped.delete(subTopology);
  }

  /** What a task waits for; null when it does not. */
  waiting(taskId: string): string | null {
    return this.#tasks.find(({ id }) => id === taskId)!.waiting;
  }

  /** What a killed process leaves: nothing that was not committed. New tasks take over at once. */
  async crash(): Promise<void> {
    await this.close();
    await this.#takeOver();
  }

  async close(): Promise<void> {
    for (const task of this.#tasks) await task.close();
    for (const reader of this.#globals) await reader.stop();
    this.#tasks = [];
    this.#globals = [];
  }

  async #open(): Promise<void> {
    const pieces = this.#topology.subTopologies();
    const ends = pieces.flatMap((piece) => [...piece.sources, ...piece.sinks]);
    const names = new Set([...ends, ...this.#topology.globalStores].map((end) => end.topic));
    await this.broker.createTopics(
      [...names].map((name) => ({
        name,
        partitions: this.#options.partitions?.[name] ?? 1,
        replicationFactor: 1,
        configs: {},
      })),
    );
    await this.#takeOver();
  }

  async #takeOver(): Promise<void> {
    const { broker, clock } = this;
    const logger = this.#options.logger ?? silentLogger;
    const applicationId = this.#applicationId;
    this.#plans = await planTasks({
      topology: this.#topology,
      broker,
      applicationId,
      replicationFactor: 1,
    });
    const onFailed = (error: Error) => {
      throw error;
    };
    this.#globals = this.#topology.globalStores.map(
      (node) => new GlobalStoreReader({ node, broker, clock, logger, onFailed }),
    );
    for (const reader of this.#globals) await reader.fill();
    const environment = this.#environment(logger);
    for (const plan of this.#plans) {
      for (let partition = 0; partition < plan.partitions; partition++) {
        const task = new Task(plan, partition, environment);
        this.#tasks.push(task);
        await task.open({ wipeStores: false });
      }
    }
  }

  async #round(): Promise<boolean> {
    let moved = await this.#catchUp();
    for (const task of this.#tasks) {
      if (this.#stopped.has(task.id.slice(0, task.id.lastIndexOf('_')))) continue;
      task.resume();
      for (;;) {
        const outcome = await task.step(this.#rowsMax, 0);
        if (outcome === 'idle') break;
        if (outcome === 'taken') moved = true;
        if (task.commitDue) moved = (await task.commit()) || moved;
      }
      moved = (await task.commit()) || moved;
    }
    return moved;
  }

  async #catchUp(): Promise<boolean> {
    let moved = false;
    for (const reader of this.#globals) moved = (await reader.catchUp()) || moved;
    return moved;
  }

  #environment(logger: Logger): TaskEnvironment {
    const { broker, clock, metrics } = this;
    const { stores = 'memory' } = this.#options;
    const names = this.#topology.globalStores.map((node) => node.name);
    const stateDir = stores === 'memory' ? '' : stores.stateDir;
    return {
      applicationId: this.#applicationId,
      ...{ broker, clock, logger, metrics },
      breath: new Breath(clock),
      globalStores: new Map(names.map((name, at) => [name, this.#globals[at]!.store])),
      openStore: (taskId, name) =>
        openEngine(stores === 'memory' ? 'memory' : stores.engine, {
          name,
          dir: join(stateDir, this.#applicationId, taskId, name),
          logger,
        }),
      autoOffsetReset: 'earliest',
      processingGuarantee: 'exactly_once_v2',
      // Time alone commits nothing here: the test says when.
      limits: {
        commitIntervalMs: Number.POSITIVE_INFINITY,
        commitRowsMax: Number.POSITIVE_INFINITY,
        commitBytesMax: Number.POSITIVE_INFINITY,
        batchRowsMax: this.#rowsMax,
      },
    };
  }

  get #applicationId(): string {
    return this.#options.applicationId ?? 'test';
  }

  get #rowsMax(): number {
    return this.#options.batchRowsMax ?? 4096;
  }
}

function bytesOf(field: string | Uint8Array | null): Uint8Array | null {
  return typeof field === 'string' ? new TextEncoder().encode(field) : field;
}

/** FNV-1a: any spread will do, as long as it is always the same. */
function partitionOf(key: Uint8Array | null, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of key ?? []) hash = Math.imul(hash ^ byte, 0x01000193);
  return key === null ? 0 : (hash >>> 0) % partitions;
}
