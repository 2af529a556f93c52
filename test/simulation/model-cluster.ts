// The server side of the model: topics, coordinators, groups. Handlers run at one instant of virtual time, but a produce is
// only acknowledged once it is replicated, and a fetch may wait for records.

import type {
  CommittedOffset,
  PartitionOffsets,
  TopicDescription,
  TopicPartition,
} from '../../broker/index.ts';
import type { RecordColumns, TopicSpec } from '../../schemas/index.ts';
import { type Random, RetriableError } from '../../support/index.ts';
import { GroupModel } from './group-model.ts';
import { type LogEntry, ModelPartition, type Producer } from './model-partition.ts';
import { Network } from './network.ts';
import { OffsetTable } from './offset-table.ts';
import type { Scheduler } from './scheduler.ts';
import { TransactionCoordinator } from './transaction-coordinator.ts';

export interface ClusterOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly note?: (text: string) => void;
  readonly transactionTimeoutMs?: number;
  /** Told after each transaction of a group, once its offsets have moved. */
  readonly onCommit?: (offsets: readonly CommittedOffset[]) => void;
}

export interface Fetched {
  readonly rows: readonly LogEntry[];
  readonly nextOffset: number;
  readonly end: number;
}

const replicationMsMax = 3;

export class ModelCluster {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: Network;
  readonly transactions: TransactionCoordinator;
  readonly #options: ClusterOptions;
  readonly #topics = new Map<string, { spec: TopicSpec; partitions: ModelPartition[] }>();
  readonly #groups = new Map<string, GroupModel>();
  readonly #tables = new Map<string, OffsetTable>();
  #memberIds = 0;

  constructor(options: ClusterOptions) {
    const { scheduler, random, note = () => {}, transactionTimeoutMs = 3_000 } = options;
    this.#options = { ...options, note };
    this.scheduler = scheduler;
    this.random = random;
    this.network = new Network(scheduler, random, note);
    this.transactions = new TransactionCoordinator({
      ...{ scheduler, random, note, timeoutMs: transactionTimeoutMs },
      replicate: (partition) => void this.#replicate(partition),
    });
  }

  createTopics(specs: readonly TopicSpec[]): void {
    for (const spec of specs) {
      if (this.#topics.has(spec.name)) continue;
      const bytesMax = Number(spec.configs['max.message.bytes'] ?? 1_048_576);
      const partitions = Array.from(
        { length: spec.partitions },
        (_, partition) => new ModelPartition(spec.name, partition, bytesMax),
      );
      this.#topics.set(spec.name, { spec, partitions });
    }
  }

  deleteTopic(name: string): void {
    this.#topics.delete(name);
  }

  describe(): TopicDescription[] {
    return [...this.#topics.values()].map(({ spec }) => spec);
  }

  offsets(topic: string): PartitionOffsets[] {
    return this.#topic(topic).partitions.map(({ logStart, lastStable }, partition) => ({
      ...{ partition, logStart, end: lastStable },
    }));
  }

  partition({ topic, partition }: TopicPartition): ModelPartition {
    const found = this.#topic(topic).partitions[partition];
    if (found === undefined) throw new RetriableError(`There is no ${topic}-${partition}.`);
    return found;
  }

  /** Resolves with the base offset once it is replicated. */
  async produce(
    at: TopicPartition,
    records: RecordColumns,
    producer?: Producer,
    sequence?: number,
  ): Promise<number> {
    const partition = this.partition(at);
    const base = partition.append(records, producer, sequence);
    await this.#replicate(partition);
    return base;
  }

  async fetch(at: TopicPartition, from: number, rowsMax: number, waitMs: number): Promise<Fetched> {
    const partition = this.partition(at);
    partition.checkRange(from);
    const untilMs = this.scheduler.monotonicMs() + waitMs;
    while (partition.lastStable === from && this.scheduler.monotonicMs() < untilMs) {
      const replicated = new AbortController();
      partition.onReplicated(() => replicated.abort());
      await this.scheduler.sleep(untilMs - this.scheduler.monotonicMs(), replicated.signal);
      if (this.#isClosed) break;
    }
    partition.checkRange(from);
    return partition.read(from, rowsMax);
  }

  group(name: string): GroupModel {
    const found = this.#groups.get(name);
    if (found !== undefined) return found;
    const { scheduler, random } = this;
    const group = new GroupModel({
      ...{ scheduler, random, note: this.#options.note! },
      partitionsOf: (topic) => this.#topic(topic).partitions.length,
    });
    this.#groups.set(name, group);
    return group;
  }

  table(group: string): OffsetTable {
    const found = this.#tables.get(group);
    if (found !== undefined) return found;
    const table = new OffsetTable(group, (offsets) => this.#options.onCommit?.(offsets));
    this.#tables.set(group, table);
    return table;
  }

  newMemberId(instanceId: string): string {
    this.#memberIds += 1;
    return `${instanceId}#${this.#memberIds}`;
  }

  /** Lets go of who waits. */
  close(): void {
    this.#isClosed = true;
    for (const { partitions } of this.#topics.values()) for (const it of partitions) it.wake();
  }
  #isClosed = false;

  async #replicate(partition: ModelPartition): Promise<void> {
    await this.scheduler.sleep(this.random.float() * replicationMsMax);
    partition.replicate();
  }

  #topic(name: string): { spec: TopicSpec; partitions: ModelPartition[] } {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new RetriableError(`There is no topic ${name}.`);
    return topic;
  }
}
