// One writer per transactional id; each commit is a whole transaction:
//
//   1 AddPartitionsToTxn, ──┬─► 2 Produce, round by round, one request per leader ─┬─► 4 EndTxn
//     AddOffsetsToTxn       └─► 3 TxnOffsetCommit ─────────────────────────────────┘
//
// All go over one connection, whose requests Kafka takes in order: two at once for one transaction disturb each other (a
// leader asks the coordinator about each, forgets the first question over the second, and refuses what it was about).
// `begin` makes step 1 ahead of the commit, for what the last transaction was made of; the commit adds what is missing. `send`
// makes step 2 ahead of it for rows that are there already.
//
// | what happens                                              | then                                             |
// |-----------------------------------------------------------|--------------------------------------------------|
// | CONCURRENT_TRANSACTIONS, coordinator loading or moved     | the same request again, 2–50 ms apart, until 10 s |
// | another producer or the coordinator's timeout fenced us   | TaskMigratedError                                |
// | too large                                                 | abort, RecordTooLargeError, the writer lives on  |
// | another definite refusal                                  | abort if possible, RetriableError                |
// | a lost answer, or anything else                           | CommitOutcomeUnknownError                        |
//
// After the last three the writer refuses further use: a late EndTxn of an epoch must never meet a later transaction.

import {
  CommitOutcomeUnknownError,
  crashPoint,
  crashPointAfterSending,
  FatalError,
  RecordTooLargeError,
  RetriableError,
  TaskMigratedError,
} from '../../support/index.ts';
import type {
  Append,
  AppendedAt,
  TopicPartition,
  Transaction,
  TransactionalWriter,
} from '../broker.ts';
import { AheadOfCommit, partitionsOf } from './ahead-of-commit.ts';
import { BatchMemory } from './batch-memory.ts';
import { byTopic } from './by-topic.ts';
import { type InitOptions, initProducer } from './init-producer.ts';
import {
  check,
  concurrentTransactions,
  coordinatorMoved,
  fenced,
  invalidRecord,
  isForbidden,
  isRefusal,
  KafkaRefusal,
  refusalType,
  tooLarge,
} from './kafka-errors.ts';
import type { ProducerSession } from './producer-session.ts';
import { retrying } from './retry.ts';
import { appendedAt, ProduceFailed, sendBatches } from './send-batches.ts';
import { type SignedBatch, signWithin } from './sign-batches.ts';
import type { TopicLimits } from './topic-limits.ts';
import type { RequestNode, WriterConnections } from './writer-connections.ts';

export interface TransactionalOptions extends InitOptions {
  readonly transactionalId: string;
  readonly limits: TopicLimits;
}

/** What a transaction is made of: partitions by name, and the group whose offsets move. */
interface Members {
  readonly partitions: ReadonlyMap<string, TopicPartition>;
  readonly group: string | undefined;
}

const commitMsMax = 10_000;
/** After its answer to EndTxn Kafka writes the markers; before they are there it only says CONCURRENT_TRANSACTIONS. */
const markersMs = 4;
const noMembers: Members = { partitions: new Map(), group: undefined };

export class KafkaTransactionalWriter implements TransactionalWriter {
  readonly transactionalId: string;
  readonly #connections: WriterConnections;
  readonly #limits: TopicLimits;
  readonly #lane: string;
  readonly #session: ProducerSession;
  readonly #memory = new BatchMemory();
  readonly #ahead: AheadOfCommit;
  /** Why this writer is done, once it is. */
  #over: string | undefined;
  #isCommitting = false;
  /** Of the last transaction: the next is most likely made of the same. */
  #usual = noMembers;
  /** What Kafka has been told of the open transaction, or is being told; none before it has begun. */
  #begun: { readonly members: Members; readonly told: Promise<void> } | undefined;
  #endedMs = 0;

  private constructor(options: TransactionalOptions, session: ProducerSession) {
    this.transactionalId = options.transactionalId;
    this.#connections = options.connections;
    this.#limits = options.limits;
    this.#lane = options.lane;
    this.#session = session;
    const { limits } = options;
    this.#ahead = new AheadOfCommit({
      ...{ limits, session, produce: (batches) => this.#sendAhead(batches) },
    });
  }

  static async open(options: TransactionalOptions): Promise<KafkaTransactionalWriter> {
    return new KafkaTransactionalWriter(options, await initProducer(options));
  }

  begin(): void {
    const isIdle = this.#over === undefined && !this.#isCommitting && this.#begun === undefined;
    if (!isIdle || this.#usual === noMembers) return;
    const members = this.#usual;
    const told = this.#tellInTime(members);
    told.catch(() => {});
    this.#begun = { members, told };
  }

  send(appends: readonly Append[]): Promise<void> | undefined {
    if (this.#over !== undefined || this.#isCommitting) return undefined;
    return this.#ahead.send(appends);
  }

  async commit(transaction: Transaction): Promise<AppendedAt[]> {
    const id = this.transactionalId;
    if (this.#isCommitting) throw new RetriableError(`${id} is committing already; wait for it.`);
    if (this.#over !== undefined) {
      throw new RetriableError(`The writer ${id} is over (${this.#over}); open a new one.`);
    }
    this.#isCommitting = true;
    try {
      return await this.#commit(transaction);
    } finally {
      this.#isCommitting = false;
    }
  }

  async close(): Promise<void> {
    this.#over ??= 'closed';
  }

  async #commit(transaction: Transaction): Promise<AppendedAt[]> {
    const deadlineMs = this.#deadlineMs;
    const batches = await this.#sign(transaction, deadlineMs);
    const isEmpty = batches.length === 0 && transaction.offsets.length === 0;
    if (isEmpty && this.#begun === undefined) {
      return appendedAt(transaction.appends, new Map());
    }
    const offsets = await this.#fill(transaction, batches, deadlineMs);
    try {
      await this.#end(true, deadlineMs);
    } catch (error) {
      // Even a refusal may come from a coordinator that lost its place after it had written the decision.
      throw isRefusal(error, fenced) ? this.#failed(error) : this.#unknown(error);
    }
    this.#endedMs = this.#connections.clock.monotonicMs();
    this.#usual = merged(
      { partitions: this.#ahead.partitions, group: undefined },
      membersOf(transaction, batches),
    );
    this.#ahead.reset();
    this.#memory.reuse();
    return appendedAt(transaction.appends, offsets);
  }

  /** What was sent ahead comes first. Without it nothing has been sent yet: what fails here leaves the writer as it was. */
  async #sign(transaction: Transaction, deadlineMs: number): Promise<SignedBatch[]> {
    const allocate = (bytes: number) => this.#memory.take(bytes);
    try {
      await this.#ahead.settled();
      return await signWithin(this.#limits, transaction.appends, this.#session, allocate);
    } catch (error) {
      if (!this.#ahead.isUsed) throw error;
      throw await this.#undone(error, transaction, deadlineMs);
    }
  }

  /** Steps 1 to 3. When one fails, the other is waited for, and what Kafka has is aborted if that is safe. */
  async #fill(
    transaction: Transaction,
    batches: readonly SignedBatch[],
    deadlineMs: number,
  ): Promise<ReadonlyMap<SignedBatch, number>> {
    try {
      await this.#tellMore(membersOf(transaction, batches), deadlineMs);
      const [offsets] = await both(
        this.#produce(batches, deadlineMs),
        this.#moveOffsets(transaction, deadlineMs),
      );
      return offsets;
    } catch (error) {
      throw await this.#undone(error, transaction, deadlineMs);
    }
  }

  /** Steps 1 and 2 for what does not wait for the commit. */
  async #sendAhead(batches: readonly SignedBatch[]): Promise<void> {
    this.begin();
    await this.#tellMore({ partitions: partitionsOf(batches), group: undefined }, this.#deadlineMs);
    await this.#produce(batches, this.#deadlineMs);
  }

  get #deadlineMs(): number {
    return this.#connections.clock.monotonicMs() + commitMsMax;
  }

  /** Before EndTxn: aborts what Kafka has if that is safe. @returns what to throw */
  async #undone(error: unknown, transaction: Transaction, deadlineMs: number): Promise<Error> {
    const cause = error instanceof ProduceFailed ? error.cause : error;
    const isOurs = cause instanceof RecordTooLargeError || cause instanceof RetriableError;
    const isRefused = cause instanceof KafkaRefusal && !isRefusal(cause, fenced);
    const sent = [...transaction.appends, ...this.#ahead.partitions.values()];
    try {
      if (isOurs || isRefused) await this.#abort(deadlineMs);
    } catch (failure) {
      return this.#failed(failure);
    }
    if (isOurs) return cause;
    return isRefused ? this.#refused(cause, sent) : this.#failed(cause);
  }

  /** Step 1 for what Kafka has not been told yet of the open transaction. */
  async #tellMore(members: Members, deadlineMs: number): Promise<void> {
    const { members: before, told } = this.#begun ?? { members: noMembers };
    await told;
    await this.#tell(without(members, before), deadlineMs);
    this.#begun = { members: merged(before, members), told: Promise.resolve() };
  }

  async #tellInTime(members: Members): Promise<void> {
    const { clock } = this.#connections;
    const earlyMs = this.#endedMs + markersMs - clock.monotonicMs();
    if (earlyMs > 0) await clock.sleep(earlyMs);
    await this.#tell(members, clock.monotonicMs() + commitMsMax);
  }

  /** Step 1. Both requests are under way at once; Kafka answers them in order. */
  async #tell({ partitions, group }: Members, deadlineMs: number): Promise<void> {
    await both(
      this.#addPartitions([...partitions.values()], deadlineMs),
      this.#addOffsets(group, deadlineMs),
    );
  }

  async #addPartitions(added: readonly TopicPartition[], deadlineMs: number): Promise<void> {
    if (added.length === 0) return;
    const topics = byTopic(added).map(([topic, of]) => ({
      topic,
      partitions: of.map(({ partition }) => partition),
    }));
    await this.#ask('transaction', this.transactionalId, deadlineMs, async (node) => {
      const answer = await node.call('AddPartitionsToTxn', { ...this.#producer, topics });
      const codes = answer.errors.flatMap(({ partitionErrors }) => partitionErrors);
      checkAll('AddPartitionsToTxn', codes);
    });
  }

  async #addOffsets(groupId: string | undefined, deadlineMs: number): Promise<void> {
    if (groupId === undefined) return;
    await this.#ask('transaction', this.transactionalId, deadlineMs, async (node) => {
      const answer = await node.call('AddOffsetsToTxn', { ...this.#producer, groupId });
      check('AddOffsetsToTxn', answer.errorCode);
    });
  }

  async #produce(
    batches: readonly SignedBatch[],
    deadlineMs: number,
  ): Promise<Map<SignedBatch, number>> {
    const options = {
      connections: this.#connections,
      lane: this.#lane,
      session: this.#session,
      deadlineMs,
      repeatUnclear: false,
    };
    const produced = await sendBatches(options, batches);
    crashPoint('produced');
    return produced;
  }

  async #moveOffsets({ group, offsets }: Transaction, deadlineMs: number): Promise<void> {
    if (offsets.length === 0) return;
    const topics = byTopic(offsets).map(([topic, partitions]) => ({ topic, partitions }));
    await this.#ask('group', group, deadlineMs, async (node) => {
      const args = { ...this.#producer, groupId: group, topics };
      const answer = await node.call('TxnOffsetCommit', args);
      const codes = answer.topics.flatMap(({ partitions }) => partitions);
      checkAll('TxnOffsetCommit', codes);
    });
    crashPoint('offsets-sent');
  }

  async #end(isCommit: boolean, deadlineMs: number): Promise<void> {
    this.#begun = undefined;
    await this.#ask('transaction', this.transactionalId, deadlineMs, async (node) => {
      const end = node.call('EndTxn', { ...this.#producer, transactionResult: isCommit });
      if (isCommit) crashPointAfterSending('end-sent');
      const answer = await end;
      check('EndTxn', answer.errorCode);
    });
  }

  /** Ends the transaction without effect. */
  async #abort(deadlineMs: number): Promise<void> {
    try {
      await this.#end(false, Math.max(deadlineMs, this.#connections.clock.monotonicMs() + 1_000));
    } catch (error) {
      // INVALID_TXN_STATE: no partition had been added, so there is nothing to abort.
      if (refusalType(error) !== 'INVALID_TXN_STATE') throw error;
    }
    this.#ahead.reset();
  }

  /** Of an aborted transaction: a too large record is then all that was wrong, and the writer lives on. */
  #refused(refusal: KafkaRefusal, sent: readonly TopicPartition[]): Error {
    if (isRefusal(refusal, invalidRecord)) {
      const reason = refusal.message;
      return new FatalError(`A record is not one that its topic takes: ${reason}.`, {
        cause: refusal,
      });
    }
    if (!isRefusal(refusal, tooLarge)) return this.#failed(refusal);
    for (const { topic } of sent) this.#limits.forget(topic);
    return new RecordTooLargeError(`Kafka found a batch too large: ${refusal.message}.`, {
      cause: refusal,
    });
  }

  async #ask(
    kind: 'transaction' | 'group',
    key: string,
    deadlineMs: number,
    request: (node: RequestNode) => Promise<void>,
  ): Promise<void> {
    const { clock } = this.#connections;
    const again = (error: unknown) => {
      if (refusalType(error) === concurrentTransactions) return true;
      if (!isRefusal(error, coordinatorMoved)) return false;
      this.#connections.forgetCoordinator(kind, key);
      return true;
    };
    await retrying({ clock, deadlineMs, again }, async () => {
      await request(await this.#connections.coordinator(kind, key, this.#lane));
    });
  }

  get #producer() {
    const { producerId, producerEpoch } = this.#session;
    return { producerId, producerEpoch, transactionalId: this.transactionalId };
  }

  #failed(error: unknown): Error {
    if (error instanceof RecordTooLargeError) return error;
    const id = this.transactionalId;
    const reason = this.#giveUp(error);
    if (isRefusal(error, fenced)) {
      return new TaskMigratedError(
        `${id} has another writer now (${reason}); nothing of this commit was applied.`,
        { cause: error, transactionalId: id },
      );
    }
    if (isForbidden(error)) {
      return new FatalError(`${id} may not do this: ${reason}; grant it.`, { cause: error });
    }
    if (error instanceof KafkaRefusal) {
      return new RetriableError(`The commit of ${id} was refused: ${reason}.`, { cause: error });
    }
    return this.#unknown(error);
  }

  #unknown(error: unknown): Error {
    const id = this.transactionalId;
    const reason = this.#giveUp(error);
    return new CommitOutcomeUnknownError(
      `Nobody knows whether the commit of ${id} was applied (${reason}); open the writer again and read the committed offset.`,
      { cause: error, transactionalId: id },
    );
  }

  #giveUp(error: unknown): string {
    this.#over = error instanceof Error ? error.message : String(error);
    this.#connections.forgetCoordinator('transaction', this.transactionalId);
    return this.#over;
  }
}

function membersOf({ group, offsets }: Transaction, batches: readonly SignedBatch[]): Members {
  return { partitions: partitionsOf(batches), group: offsets.length > 0 ? group : undefined };
}

function merged(a: Members, b: Members): Members {
  return {
    partitions: new Map([...a.partitions, ...b.partitions]),
    group: b.group ?? a.group,
  };
}

function without({ partitions, group }: Members, told: Members): Members {
  return {
    partitions: new Map([...partitions].filter(([name]) => !told.partitions.has(name))),
    group: group === told.group ? undefined : group,
  };
}

/** Both are waited for: what is under way must not be forgotten when the other fails. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return [first.value, second.value];
}

/** Of several codes the one that decides: others (OPERATION_NOT_ATTEMPTED) only follow from it. */
function checkAll(api: string, codes: readonly { readonly errorCode: number }[]): void {
  const failed = codes.filter(({ errorCode }) => errorCode !== 0);
  const notAttempted = 55;
  const deciding = failed.find(({ errorCode }) => errorCode !== notAttempted) ?? failed[0];
  if (deciding !== undefined) check(api, deciding.errorCode);
}
