// A task's writer where at least once is enough. No transaction: each commit is
//
//   1 Produce, round by round, one request per leader, until all replicas have all of it
//   2 OffsetCommit, in the name of this process's member of the group
//
// `send` makes step 1 ahead of the commit for rows that are there already. A crash between the two leaves records that will be
// made again, and loses none. Two owners at once are kept apart twice: Kafka takes no offsets from a member of an older
// generation; and opening raises the epoch of the transactional id as it does for transactions, so that where the new owner has
// written, no partition takes the old one's batches.
//
// | what happens                                               | then                                              |
// |------------------------------------------------------------|---------------------------------------------------|
// | a lost answer to Produce                                   | the same bytes again: Kafka keeps them once       |
// | REBALANCE_IN_PROGRESS, coordinator loading or moved        | the offsets again, 2–50 ms apart, until 10 s      |
// | a newer epoch, or no member of the newest generation       | TaskMigratedError                                 |
// | too large                                                  | RecordTooLargeError                               |
// | anything else                                              | CommitOutcomeUnknownError                         |
//
// After any of the last three the writer is over. Whatever was produced then stands.

import {
  CommitOutcomeUnknownError,
  crashPoint,
  FatalError,
  RecordTooLargeError,
  RetriableError,
  TaskMigratedError,
} from '../../support/index.ts';
import type { Append, AppendedAt, Transaction, TransactionalWriter } from '../broker.ts';
import { AheadOfCommit } from './ahead-of-commit.ts';
import { BatchMemory } from './batch-memory.ts';
import { byTopic } from './by-topic.ts';
import type { MemberIdentity } from './group-membership.ts';
import { initProducer } from './init-producer.ts';
import {
  check,
  coordinatorMoved,
  fenced,
  invalidRecord,
  isForbidden,
  isRefusal,
  tooLarge,
} from './kafka-errors.ts';
import type { TransactionalOptions } from './kafka-transactional-writer.ts';
import { ProducerSession } from './producer-session.ts';
import { retrying } from './retry.ts';
import { appendedAt, ProduceFailed, sendBatches } from './send-batches.ts';
import { type SignedBatch, signWithin } from './sign-batches.ts';

export interface AcknowledgedOptions extends TransactionalOptions {
  /** Of this process in a group, as of now; undefined while it is no member. */
  readonly identityIn: (group: string) => MemberIdentity | undefined;
}

const commitMsMax = 10_000;
/** A member hears of its new generation a moment after Kafka has made it. */
const newGenerationMsMax = 1_000;

const olderGeneration = 'ILLEGAL_GENERATION';
const notMember: ReadonlySet<string> = new Set([
  olderGeneration,
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
]);
const rebalancing = 'REBALANCE_IN_PROGRESS';

export class KafkaAcknowledgedWriter implements TransactionalWriter {
  readonly transactionalId: string;
  readonly #options: AcknowledgedOptions;
  readonly #session: ProducerSession;
  readonly #memory = new BatchMemory();
  readonly #ahead: AheadOfCommit;
  /** Why this writer is done, once it is. */
  #over: string | undefined;
  #isCommitting = false;

  private constructor(options: AcknowledgedOptions, session: ProducerSession) {
    this.transactionalId = options.transactionalId;
    this.#options = options;
    this.#session = session;
    const { limits } = options;
    this.#ahead = new AheadOfCommit({
      ...{ limits, session, produce: (batches) => this.#produce(batches, this.#deadlineMs) },
    });
  }

  static async open(options: AcknowledgedOptions): Promise<KafkaAcknowledgedWriter> {
    const { producerId, producerEpoch } = await initProducer(options);
    return new KafkaAcknowledgedWriter(
      options,
      new ProducerSession(producerId, producerEpoch, null),
    );
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
      return await this.#commit(transaction, await this.#sign(transaction));
    } finally {
      this.#isCommitting = false;
    }
  }

  async close(): Promise<void> {
    this.#over ??= 'closed';
  }

  /** What was sent ahead comes first. What fails in signing leaves the writer as it was. */
  async #sign(transaction: Transaction): Promise<SignedBatch[]> {
    const allocate = (bytes: number) => this.#memory.take(bytes);
    try {
      await this.#ahead.settled();
    } catch (error) {
      throw this.#failed(error, transaction);
    }
    return await signWithin(this.#options.limits, transaction.appends, this.#session, allocate);
  }

  async #produce(batches: readonly SignedBatch[], deadlineMs: number) {
    const { connections, lane } = this.#options;
    const sending = { connections, lane, session: this.#session, deadlineMs, repeatUnclear: true };
    const offsets = await sendBatches(sending, batches);
    crashPoint('produced');
    return offsets;
  }

  get #deadlineMs(): number {
    return this.#options.connections.clock.monotonicMs() + commitMsMax;
  }

  async #commit(transaction: Transaction, batches: SignedBatch[]): Promise<AppendedAt[]> {
    const deadlineMs = this.#deadlineMs;
    try {
      const offsets = await this.#produce(batches, deadlineMs);
      await this.#moveOffsets(transaction, deadlineMs);
      crashPoint('offsets-sent');
      this.#ahead.reset();
      this.#memory.reuse();
      return appendedAt(transaction.appends, offsets);
    } catch (error) {
      throw this.#failed(error, transaction);
    }
  }

  async #moveOffsets({ group, offsets }: Transaction, deadlineMs: number): Promise<void> {
    if (offsets.length === 0) return;
    const { connections, identityIn, lane } = this.#options;
    const { clock } = connections;
    const topics = byTopic(offsets).map(([topic, partitions]) => ({ topic, partitions }));
    const newGenerationMs = clock.monotonicMs() + newGenerationMsMax;
    const again = (error: unknown) => {
      if (isRefusal(error, coordinatorMoved)) {
        connections.forgetCoordinator('group', group);
        return true;
      }
      if (isRefusal(error, new Set([rebalancing]))) return true;
      return isRefusal(error, new Set([olderGeneration])) && clock.monotonicMs() < newGenerationMs;
    };
    await retrying({ clock, deadlineMs, again }, async () => {
      const node = await connections.coordinator('group', group, lane);
      const identity = identityIn(group);
      if (identity === undefined) throw new NoMember(`this process is no member of ${group}`);
      const answer = await node.call('OffsetCommit', { groupId: group, ...identity, topics });
      for (const { partitions } of answer.responses) {
        for (const { errorCode } of partitions) check('OffsetCommit', errorCode);
      }
    });
  }

  #failed(failure: unknown, { appends }: Transaction): Error {
    const id = this.transactionalId;
    const error = failure instanceof ProduceFailed ? failure.cause : failure;
    const cause = error;
    const reason = error instanceof Error ? error.message : String(error);
    this.#over = reason;
    if (isRefusal(error, fenced) || isRefusal(error, notMember) || error instanceof NoMember) {
      return new TaskMigratedError(
        `${id} has another owner now (${reason}); its offsets were not moved, and what it appended last will be made again.`,
        { cause, transactionalId: id },
      );
    }
    if (isRefusal(error, tooLarge)) {
      const sent = [...appends, ...this.#ahead.partitions.values()];
      for (const { topic } of sent) this.#options.limits.forget(topic);
      return new RecordTooLargeError(`Kafka found a batch too large: ${reason}.`, { cause });
    }
    if (isRefusal(error, invalidRecord)) {
      return new FatalError(`A record is not one that its topic takes: ${reason}.`, { cause });
    }
    if (isForbidden(error)) {
      return new FatalError(`${id} may not do this: ${reason}; grant it.`, { cause });
    }
    this.#options.connections.forgetCoordinator('transaction', id);
    return new CommitOutcomeUnknownError(
      `Nobody knows whether the commit of ${id} was applied (${reason}); open the writer again and read the committed offset.`,
      { cause, transactionalId: id },
    );
  }
}

/** Asked to move offsets of a group that this process is not in. */
class NoMember extends Error {
  override readonly name = 'NoMember';
}
