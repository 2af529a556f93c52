// The log on Apache Kafka 2.5 or later. kafkajs 2.2.4 carries the requests; records are read and written by our own
// columnar codec; transactions, retries and membership are our own, for the reasons each file gives.

import { randomUUID } from 'node:crypto';
import type { TopicSpec } from '../../schemas/index.ts';
import { RetriableError } from '../../support/index.ts';
import type {
  Broker,
  CommittedOffset,
  GroupMember,
  JoinOptions,
  PartitionOffsets,
  PartitionReader,
  ProcessingGuarantee,
  ReaderOptions,
  TopicDescription,
  TopicPartition,
  TransactionalWriter,
  Writer,
} from '../broker.ts';
import { committedOffsets } from './committed-offsets.ts';
import { Connections, type ConnectionsOptions } from './connections.ts';
import { deleteOffsets } from './delete-offsets.ts';
import { GroupMembership } from './group-membership.ts';
import { KafkaAcknowledgedWriter } from './kafka-acknowledged-writer.ts';
import { check, coordinatorMoved, isRefusal } from './kafka-errors.ts';
import { KafkaPartitionReader } from './kafka-partition-reader.ts';
import { KafkaTransactionalWriter } from './kafka-transactional-writer.ts';
import { KafkaWriter } from './kafka-writer.ts';
import { PartitionFetcher } from './partition-fetcher.ts';
import { retrying } from './retry.ts';
import { createTopics, deleteTopics, describeTopics, listOffsets } from './topic-admin.ts';
import { TopicLimits } from './topic-limits.ts';

export interface KafkaBrokerOptions extends ConnectionsOptions {
  /** After this long without a commit Kafka aborts an open transaction. */
  readonly transactionTimeoutMs?: number;
}

const transactionTimeoutMsDefault = 15_000;
const writeLanes = 16;
const askMsMax = 10_000;

export class KafkaBroker implements Broker {
  readonly kind = 'kafka';
  readonly #connections: Connections;
  readonly #fetcher: PartitionFetcher;
  readonly #limits: TopicLimits;
  readonly #transactionTimeoutMs: number;
  readonly #open = new Set<{ close(): Promise<void> }>();
  readonly #members = new Set<GroupMembership>();
  #writers = 0;
  #closing: Promise<void> | undefined;

  constructor({ transactionTimeoutMs, ...options }: KafkaBrokerOptions) {
    this.#connections = new Connections(options);
    this.#fetcher = new PartitionFetcher(this.#connections);
    this.#limits = new TopicLimits(this.#connections);
    this.#transactionTimeoutMs = transactionTimeoutMs ?? transactionTimeoutMsDefault;
  }

  connect(): Promise<void> {
    return this.#connections.connect();
  }

  describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    return this.#asking(() => describeTopics(this.#connections, names));
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#asking(() => createTopics(this.#connections, specs));
  }

  deleteTopics(names: readonly string[]): Promise<void> {
    for (const name of names) this.#limits.forget(name);
    return this.#asking(() => deleteTopics(this.#connections, names));
  }

  listOffsets(topic: string): Promise<PartitionOffsets[]> {
    return listOffsets(this.#connections, topic);
  }

  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    return committedOffsets(this.#connections, group, partitions);
  }

  deleteOffsets(group: string): Promise<void> {
    return deleteOffsets(this.#connections, group);
  }

  async groupMembers(group: string): Promise<number> {
    const { clock } = this.#connections;
    const again = (error: unknown) => {
      this.#connections.forgetCoordinator('group', group);
      return isRefusal(error, coordinatorMoved);
    };
    const deadlineMs = clock.monotonicMs() + askMsMax;
    return retrying({ clock, deadlineMs, again }, async () => {
      const node = await this.#connections.coordinator('group', group, 'requests');
      const { groups } = await node.call('DescribeGroups', { groupIds: [group] });
      check(`DescribeGroups of ${group}`, groups[0]?.errorCode ?? 0);
      return groups[0]?.members.length ?? 0;
    });
  }

  openReader(
    partition: TopicPartition,
    from: number,
    options: ReaderOptions = {},
  ): PartitionReader {
    const reader = new KafkaPartitionReader(
      ...([partition, from, this.#connections, this.#fetcher, options] as const),
    );
    return this.#closedWithUs(reader);
  }

  async openWriter(): Promise<Writer> {
    const writer = new KafkaWriter(this.#connections, this.#limits, this.#nextWriteLane());
    await writer.open();
    return this.#closedWithUs(writer);
  }

  async openTransactionalWriter(
    transactionalId: string,
    guarantee: ProcessingGuarantee = 'exactly_once_v2',
  ): Promise<TransactionalWriter> {
    const options = {
      connections: this.#connections,
      limits: this.#limits,
      lane: this.#nextWriteLane(),
      transactionalId,
      transactionTimeoutMs: this.#transactionTimeoutMs,
    };
    const identityIn = (group: string) =>
      [...this.#members].find((member) => member.group === group && member.identity)?.identity;
    const writer =
      guarantee === 'exactly_once_v2'
        ? await KafkaTransactionalWriter.open(options)
        : await KafkaAcknowledgedWriter.open({ ...options, identityIn });
    return this.#closedWithUs(writer);
  }

  async joinGroup(options: JoinOptions): Promise<GroupMember> {
    const lane = `member-${randomUUID()}`;
    const member = await GroupMembership.join(this.#connections, options, lane);
    this.#members.add(member);
    return member;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.leave()));
    await Promise.all([...this.#open].map((one) => one.close()));
    await this.#connections.close();
  }

  /** Each lane is a connection per leader. Where there are more writers than lanes, requests of some wait for each other. */
  #nextWriteLane(): string {
    this.#writers += 1;
    return `write-${this.#writers % writeLanes}`;
  }

  /** Remembered until it is closed, by its user or with the broker. */
  #closedWithUs<T extends { close(): Promise<void> }>(one: T): T {
    const close = one.close.bind(one);
    this.#open.add(one);
    one.close = () => {
      this.#open.delete(one);
      return close();
    };
    return one;
  }

  /** A lost connection is no answer: what is asked or changed here may be asked again. */
  async #asking<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (cause) {
      if (
        cause instanceof Error &&
        'code' in cause &&
        String(cause.code).startsWith('MEANSTREAM')
      ) {
        throw cause;
      }
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RetriableError(`Kafka did not answer: ${reason}.`, { cause });
    }
  }
}
