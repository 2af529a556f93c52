// The Broker contract over the model: what one process does with its requests and with what it hears, by the rules of the
// Kafka adapter. Transactions are written by the adapter's own writer.

import type {
  Append,
  AppendedAt,
  Broker,
  CommittedOffset,
  GroupMember,
  JoinOptions,
  PartitionOffsets,
  PartitionReader,
  TopicDescription,
  TopicPartition,
  TransactionalWriter,
  Writer,
} from '../../broker/index.ts';
import { KafkaTransactionalWriter } from '../../broker/kafka/kafka-transactional-writer.ts';
import { TopicLimits } from '../../broker/kafka/topic-limits.ts';
import type { TopicSpec } from '../../schemas/index.ts';
import { MeanstreamError, RefusedError, RetriableError } from '../../support/index.ts';
import { UnknownMemberError } from './group-model.ts';
import type { ModelCluster } from './model-cluster.ts';
import { ModelConnections } from './model-connections.ts';
import { ModelReader } from './model-reader.ts';
import type { CallOptions } from './network.ts';
import { UnstableError } from './offset-table.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { ConcurrentError } from './transaction-coordinator.ts';

const retryMs = 5;
const patienceMs = 2_000;
/** The coordinator's own limit for a transaction. */
const transactionTimeoutMs = 3_000;

export class ModelBroker implements Broker {
  readonly kind = 'kafka';
  readonly #cluster: ModelCluster;
  readonly #process: SimulatedProcess;
  readonly #connections: ModelConnections;
  readonly #limits: TopicLimits;
  readonly #writers = new Set<TransactionalWriter>();
  readonly #closing = new AbortController();
  /** Rejects when this broker closes: that is the end of every read. */
  readonly #closed: Promise<never>;

  constructor(cluster: ModelCluster, process: SimulatedProcess) {
    this.#cluster = cluster;
    this.#process = process;
    this.#connections = new ModelConnections(cluster, process);
    this.#limits = new TopicLimits(this.#connections);
    this.#closed = new Promise((_, reject) => {
      const closed = () => reject(new RetriableError('The broker is closed.'));
      this.#closing.signal.addEventListener('abort', closed);
    });
    this.#closed.catch(() => {});
  }

  async connect(): Promise<void> {}

  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    const found = await this.#ask({ what: 'describe' }, () => this.#cluster.describe());
    return found.filter(({ name }) => names === undefined || names.includes(name));
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.#ask({ what: 'create topics' }, () => this.#cluster.createTopics(specs));
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#ask({ what: `delete ${name}` }, () => this.#cluster.deleteTopic(name));
    }
  }

  listOffsets(topic: string): Promise<PartitionOffsets[]> {
    return this.#ask({ what: `list ${topic}` }, () => this.#cluster.offsets(topic));
  }

  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    return this.#ask({ what: `offsets of ${group}` }, () =>
      this.#cluster.table(group).read(partitions),
    );
  }

  async deleteOffsets(group: string): Promise<void> {
    if ((await this.groupMembers(group)) > 0) {
      throw new RefusedError(`Group ${group} has live members; stop them first.`);
    }
    await this.#ask({ what: `delete ${group}` }, () => this.#cluster.table(group).clear());
  }

  groupMembers(group: string): Promise<number> {
    return this.#ask({ what: `members of ${group}` }, () => this.#cluster.group(group).size);
  }

  openReader(partition: TopicPartition, from: number): PartitionReader {
    return new ModelReader(this.#cluster, this.#process, partition, from, this.#closed);
  }

  async openWriter(): Promise<Writer> {
    const append = async (appends: readonly Append[]): Promise<AppendedAt[]> => {
      const at: AppendedAt[] = [];
      for (const { topic, partition, records } of appends) {
        this.#cluster.partition({ topic, partition }).check(records);
        const baseOffset = await this.#cluster.produce({ topic, partition }, records);
        at.push({ topic, partition, baseOffset });
      }
      return at;
    };
    return { append, close: async () => {} };
  }

  async openTransactionalWriter(transactionalId: string): Promise<TransactionalWriter> {
    const writer = await KafkaTransactionalWriter.open({
      ...{ connections: this.#connections, limits: this.#limits, lane: 'transactions' },
      ...{ transactionalId, transactionTimeoutMs },
    });
    this.#writers.add(writer);
    return writer;
  }

  async joinGroup(options: JoinOptions): Promise<GroupMember> {
    const group = this.#cluster.group(options.group);
    const { clock } = this.#process;
    const left = new AbortController();
    let memberId = this.#cluster.newMemberId(options.instanceId);
    let generation = -1;
    const join = () =>
      this.#call({ what: `join ${memberId}`, mayDouble: true }, () =>
        group.join({ ...options, memberId }),
      );
    const hear = (dealt: Awaited<ReturnType<typeof join>>) => {
      if (dealt.generation === generation || left.signal.aborted) return;
      generation = dealt.generation;
      options.onAssignment(dealt.tasks, []);
    };
    let heardMs = clock.monotonicMs();
    const beat = async () => {
      try {
        const what = `heartbeat ${memberId}`;
        hear(await this.#call({ what, mayDouble: true }, () => group.heartbeat(memberId)));
        heardMs = clock.monotonicMs();
      } catch (error) {
        const isSilent = clock.monotonicMs() - heardMs > options.sessionTimeoutMs;
        if (left.signal.aborted || (!(error instanceof UnknownMemberError) && !isSilent)) return;
        memberId = this.#cluster.newMemberId(options.instanceId);
        generation = -1;
        options.onAssignment([], []);
        await join().then(hear, () => {});
      }
    };
    const stay = async () => {
      while (!left.signal.aborted && !this.#closing.signal.aborted) {
        await clock.sleep(Math.min(500, options.sessionTimeoutMs / 3), left.signal);
        if (!left.signal.aborted) await beat();
      }
    };
    hear(await this.#patiently(join));
    void stay();
    const leave = async () => {
      if (left.signal.aborted) return;
      left.abort();
      await this.#call({ what: `leave ${memberId}`, mayDouble: true }, () =>
        group.leave(memberId),
      ).catch(() => {});
    };
    return {
      get memberId() {
        return memberId;
      },
      rejoin: () => {
        const asking = { what: `rejoin ${memberId}`, mayDouble: true };
        void this.#call(asking, () => group.rejoin(memberId)).catch(() => {});
      },
      leave,
    };
  }

  async close(): Promise<void> {
    this.#connections.closed = true;
    for (const writer of this.#writers) void writer.close();
    this.#closing.abort();
  }

  /** For requests that change nothing, or that are asked again by whoever called. */
  async #ask<T>(options: CallOptions, handle: () => T): Promise<T> {
    try {
      return await this.#patiently(() => this.#call(options, handle));
    } catch (error) {
      if (error instanceof MeanstreamError) throw error;
      throw new RetriableError(`There was no answer to ${options.what}.`, { cause: error });
    }
  }

  /** Asks again what is answered with "not yet". */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#process;
    const untilMs = clock.monotonicMs() + patienceMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const isEarly = error instanceof ConcurrentError || error instanceof UnstableError;
        if (!isEarly || clock.monotonicMs() >= untilMs) throw error;
      }
      await clock.sleep(retryMs);
    }
  }

  #call<T>(options: CallOptions, handle: () => T | Promise<T>): Promise<T> {
    return this.#cluster.network.call(this.#process, options, handle);
  }
}
