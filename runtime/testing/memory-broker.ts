// A log in memory for tests: the whole broker contract, without files, threads or chance. Everything happens in the
// call that asks for it; only a read that waits for records, and the news of an assignment, come later.
//
// Beyond the contract it can be told to misbehave: `faults.commit` decides the fate of each transaction, `trim` and
// `compact` do what retention and the cleaner would.

import {
  type Append,
  type AppendedAt,
  type Broker,
  type CommittedOffset,
  GroupCoordinator,
  type GroupMember,
  type JoinOptions,
  type PartitionOffsets,
  type PartitionReader,
  type TopicDescription,
  type TopicPartition,
  type Transaction,
  type TransactionalWriter,
  type Writer,
} from '../../broker/index.ts';
import type { TopicSpec } from '../../schemas/index.ts';
import {
  assert,
  type Clock,
  RefusedError,
  RetriableError,
  TaskMigratedError,
} from '../../support/index.ts';
import { MemoryPartition } from './memory-partition.ts';
import { MemoryReader } from './memory-reader.ts';

export interface BrokerFaults {
  /** Throw from it to refuse a transaction; call `apply` first to let it through and lose the answer. */
  commit?: (transaction: Transaction, apply: () => void) => void;
}

export class MemoryBroker implements Broker {
  readonly kind = 'embedded';
  readonly faults: BrokerFaults = {};
  readonly #clock: Clock;
  readonly #topics = new Map<string, { spec: TopicSpec; partitions: MemoryPartition[] }>();
  readonly #groups = new GroupCoordinator((topic) => this.#topics.get(topic)?.partitions ?? []);
  readonly #committed = new Map<string, CommittedOffset>();
  readonly #epochs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async connect(): Promise<void> {}

  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    const specs = [...this.#topics.values()].map((topic) => topic.spec);
    return specs.filter((spec) => names === undefined || names.includes(spec.name));
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const spec of specs) {
      if (this.#topics.has(spec.name)) continue;
      const bytesMax = Number(spec.configs['max.message.bytes'] ?? 1_048_576);
      const partitions = Array.from(
        { length: spec.partitions },
        (_, partition) => new MemoryPartition(spec.name, partition, bytesMax),
      );
      this.#topics.set(spec.name, { spec, partitions });
    }
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    for (const name of names) this.#topics.delete(name);
  }

  async listOffsets(topic: string): Promise<PartitionOffsets[]> {
    const { partitions } = this.#topic(topic);
    return partitions.map(({ logStart, end }, partition) => ({ partition, logStart, end }));
  }

  async committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    return partitions
      .map((partition) => this.#committed.get(offsetKey(group, partition)))
      .filter((offset) => offset !== undefined);
  }

  async deleteOffsets(group: string): Promise<void> {
    const members = await this.groupMembers(group);
    if (members > 0) {
      throw new RefusedError(`Group ${group} has live members (${members}); stop them first.`);
    }
    for (const key of [...this.#committed.keys()]) {
      if (groupOf(key) === group) this.#committed.delete(key);
    }
  }

  async groupMembers(group: string): Promise<number> {
    return this.#groups.memberCount(group);
  }

  openReader({ topic, partition }: TopicPartition, from: number): PartitionReader {
    return new MemoryReader(this.partition(topic, partition), from, this.#clock);
  }

  async openWriter(): Promise<Writer> {
    return { append: async (appends) => this.append(appends), close: async () => {} };
  }

  async openTransactionalWriter(transactionalId: string): Promise<TransactionalWriter> {
    const epoch = (this.#epochs.get(transactionalId) ?? -1) + 1;
    this.#epochs.set(transactionalId, epoch);
    return {
      transactionalId,
      commit: async (transaction) => {
        this.#checkEpoch(transactionalId, epoch);
        return this.#commit(transaction);
      },
      close: async () => {},
    };
  }

  async joinGroup(options: JoinOptions): Promise<GroupMember> {
    return this.#groups.join(options);
  }

  async close(): Promise<void> {
    for (const { partitions } of this.#topics.values()) {
      for (const partition of partitions) partition.wake();
    }
  }

  /** What a writer does, at once. */
  append(appends: readonly Append[]): AppendedAt[] {
    const targets = appends.map(({ topic, partition }) => this.partition(topic, partition));
    for (const [i, target] of targets.entries()) target.check(appends[i]!.records);
    return targets.map((target, i) => ({
      topic: target.topic,
      partition: target.partition,
      baseOffset: target.append(appends[i]!.records),
    }));
  }

  partition(topic: string, partition: number): MemoryPartition {
    const found = this.#topic(topic).partitions[partition];
    assert(found !== undefined, `Topic ${topic} has no partition ${partition}.`);
    return found;
  }

  partitionsOf(topic: string): number {
    return this.#topic(topic).partitions.length;
  }

  /** What an operator does by resetting a group, and what a newer owner does by opening the same writer. */
  setCommittedOffset(group: string, offset: CommittedOffset): void {
    this.#committed.set(offsetKey(group, offset), offset);
  }

  fence(transactionalId: string): void {
    this.#epochs.set(transactionalId, (this.#epochs.get(transactionalId) ?? -1) + 1);
  }

  #commit(transaction: Transaction): AppendedAt[] {
    let appended: AppendedAt[] | undefined;
    const apply = () => {
      appended ??= this.#apply(transaction);
    };
    this.faults.commit?.(transaction, apply);
    apply();
    return appended!;
  }

  #apply(transaction: Transaction): AppendedAt[] {
    const appended = this.append(transaction.appends);
    for (const offset of transaction.offsets) this.setCommittedOffset(transaction.group, offset);
    return appended;
  }

  #checkEpoch(transactionalId: string, epoch: number): void {
    const newest = this.#epochs.get(transactionalId);
    if (newest === epoch) return;
    throw new TaskMigratedError(
      `Transactional id ${transactionalId} is at epoch ${newest}, this writer at ${epoch}.`,
    );
  }

  #topic(name: string): { spec: TopicSpec; partitions: MemoryPartition[] } {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new RetriableError(`There is no topic ${name}.`);
    return topic;
  }
}

function offsetKey(group: string, { topic, partition }: TopicPartition): string {
  return JSON.stringify([group, topic, partition]);
}

function groupOf(key: string): string {
  return (JSON.parse(key) as [string, string, number])[0];
}
