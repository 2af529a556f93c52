// The Broker contract over the model: what one process does with its requests and with what it hears, by the rules of the
// Kafka adapter. A definite refusal ends in an abort, no answer in CommitOutcomeUnknownError, a fenced epoch in
// TaskMigratedError; a writer that failed is not used again.

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
  Transaction,
  TransactionalWriter,
  Writer,
} from '../../broker/index.ts';
import type { TopicSpec } from '../../schemas/index.ts';
import {
  CommitOutcomeUnknownError,
  MeanstreamError,
  RecordTooLargeError,
  RefusedError,
  RetriableError,
  TaskMigratedError,
} from '../../support/index.ts';
import { UnknownMemberError } from './group-model.ts';
import type { ModelCluster } from './model-cluster.ts';
import { FencedError, type Producer } from './model-partition.ts';
import { ModelReader } from './model-reader.ts';
import { type CallOptions, NoAnswerError } from './network.ts';
import { UnstableError } from './offset-table.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { ConcurrentError } from './transaction-coordinator.ts';

const retryMs = 5;
const patienceMs = 2_000;

export class ModelBroker implements Broker {
  readonly kind = 'kafka';
  readonly #cluster: ModelCluster;
  readonly #process: SimulatedProcess;
  readonly #closing = new AbortController();
  /** Rejects when this broker closes: that is the end of every read. */
  readonly #closed: Promise<never>;

  constructor(cluster: ModelCluster, process: SimulatedProcess) {
    this.#cluster = cluster;
    this.#process = process;
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
    const { transactions } = this.#cluster;
    const producer = await this.#ask({ what: `init ${transactionalId}` }, () =>
      transactions.init(transactionalId),
    );
    return this.#writerOf(transactionalId, producer);
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
    this.#closing.abort();
  }

  #writerOf(transactionalId: string, producer: Producer): TransactionalWriter {
    let isOver = false;
    const sequences = new Map<string, number>();
    const commit = async (transaction: Transaction): Promise<AppendedAt[]> => {
      if (isOver) throw new RetriableError(`The writer ${transactionalId} is over.`);
      isOver = true;
      try {
        const appended = await this.#commit(transactionalId, producer, transaction, sequences);
        isOver = false;
        return appended;
      } catch (error) {
        isOver = !(error instanceof RecordTooLargeError);
        throw error;
      }
    };
    const close = async () => {
      isOver = true;
    };
    return { transactionalId, commit, close };
  }

  async #commit(
    id: string,
    producer: Producer,
    { appends, group, offsets }: Transaction,
    sequences: Map<string, number>,
  ): Promise<AppendedAt[]> {
    for (const append of appends) this.#cluster.partition(append).check(append.records);
    let appended: AppendedAt[];
    try {
      const [produced] = await settled([
        this.#produceAll(id, producer, appends, sequences),
        this.#moveOffsets(id, producer, group, offsets),
      ]);
      appended = produced;
    } catch (error) {
      if (!isUnclear(error) && !(error instanceof FencedError)) await this.#abort(id, producer);
      throw failureOf(id, error);
    }
    try {
      await this.#end(id, producer, true);
    } catch (error) {
      throw error instanceof FencedError ? failureOf(id, error) : unknown(id, error);
    }
    return appended;
  }

  async #produceAll(
    id: string,
    producer: Producer,
    appends: readonly Append[],
    sequences: Map<string, number>,
  ): Promise<AppendedAt[]> {
    const at: AppendedAt[] = [];
    for (const { topic, partition, records } of appends) {
      if (records.n === 0) {
        at.push({ topic, partition, baseOffset: -1 });
        continue;
      }
      const name = `${topic}-${partition}`;
      await this.#add(id, producer, `add ${name}`, () =>
        this.#cluster.partition({ topic, partition }),
      );
      const sequence = sequences.get(name) ?? 0;
      sequences.set(name, sequence + records.n);
      const copy = structuredClone({ ...records, headers: new Map(records.headers) });
      const baseOffset = await this.#call({ what: `${id} produce ${name}`, mayDouble: true }, () =>
        this.#cluster.produce({ topic, partition }, copy, producer, sequence),
      );
      at.push({ topic, partition, baseOffset });
    }
    return at;
  }

  async #moveOffsets(
    id: string,
    producer: Producer,
    group: string,
    offsets: readonly CommittedOffset[],
  ): Promise<void> {
    if (offsets.length === 0) return;
    const table = this.#cluster.table(group);
    await this.#add(id, producer, `add offsets`, () => table);
    await this.#call({ what: `${id} offsets` }, () => table.add(producer, offsets));
  }

  #add(
    id: string,
    producer: Producer,
    what: string,
    target: () => Parameters<ModelCluster['transactions']['add']>[2],
  ): Promise<void> {
    return this.#patiently(() =>
      this.#call({ what: `${id} ${what}`, mayDouble: true }, () =>
        this.#cluster.transactions.add(id, producer, target()),
      ),
    );
  }

  #end(id: string, producer: Producer, isCommit: boolean): Promise<void> {
    return this.#patiently(() =>
      this.#call({ what: `${id} end` }, () =>
        this.#cluster.transactions.end(id, producer, isCommit),
      ),
    );
  }

  async #abort(id: string, producer: Producer): Promise<void> {
    await this.#end(id, producer, false).catch(() => {});
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

/** Both are waited for: what is under way must not be forgotten when the other fails. */
async function settled<A, B>([a, b]: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return [first.value, second.value];
}

function isUnclear(error: unknown): boolean {
  return error instanceof NoAnswerError;
}

function failureOf(id: string, error: unknown): Error {
  if (error instanceof MeanstreamError) return error;
  if (error instanceof FencedError) {
    return new TaskMigratedError(`${id} has another writer now.`, { cause: error });
  }
  if (isUnclear(error)) return unknown(id, error);
  return new RetriableError(`The commit of ${id} was refused: ${String(error)}.`, { cause: error });
}

function unknown(id: string, cause: unknown): Error {
  return new CommitOutcomeUnknownError(`Nobody knows whether ${id} has committed.`, { cause });
}
