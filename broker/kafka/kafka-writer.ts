// Plain appends by an idempotent producer. A lost answer is asked for again with the same bytes and numbers, which Kafka
// keeps once. After a failure the writer takes a new producer id, so that no number is ever used for other records.

import {
  CommitOutcomeUnknownError,
  FatalError,
  RecordTooLargeError,
  RetriableError,
} from '../../support/index.ts';
import type { Append, AppendedAt, Writer } from '../broker.ts';
import type { Connections } from './connections.ts';
import { initProducer } from './init-producer.ts';
import { invalidRecord, isForbidden, isRefusal, tooLarge } from './kafka-errors.ts';
import type { ProducerSession } from './producer-session.ts';
import { appendedAt, ProduceFailed, sendBatches } from './send-batches.ts';
import { signWithin } from './sign-batches.ts';
import type { TopicLimits } from './topic-limits.ts';

const appendMsMax = 30_000;

export class KafkaWriter implements Writer {
  readonly #connections: Connections;
  readonly #limits: TopicLimits;
  readonly #lane: string;
  #session: ProducerSession | undefined;
  /** Appends are made one after the other: numbers must reach Kafka in order. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(connections: Connections, limits: TopicLimits, lane: string) {
    this.#connections = connections;
    this.#limits = limits;
    this.#lane = lane;
  }

  /** Asks for a producer id, so that the first append need not. */
  async open(): Promise<void> {
    this.#session = await this.#init();
  }

  append(appends: readonly Append[]): Promise<AppendedAt[]> {
    const mine = this.#last.then(() => this.#append(appends));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  async #append(appends: readonly Append[]): Promise<AppendedAt[]> {
    if (this.#closed || this.#connections.closed) {
      throw new RetriableError('The writer is closed; open a new one.');
    }
    const topics = appends.map(({ topic }) => topic);
    this.#session ??= await this.#init();
    const session = this.#session;
    const batches = await signWithin(this.#limits, appends, session);
    const { clock } = this.#connections;
    const options = {
      connections: this.#connections,
      lane: this.#lane,
      session,
      deadlineMs: clock.monotonicMs() + appendMsMax,
      repeatUnclear: true,
    };
    try {
      return appendedAt(appends, await sendBatches(options, batches));
    } catch (error) {
      this.#session = undefined;
      for (const topic of topics) this.#limits.forget(topic);
      throw writeError(error, [...new Set(topics)].join(', '));
    }
  }

  #init(): Promise<ProducerSession> {
    return initProducer({
      connections: this.#connections,
      lane: this.#lane,
      transactionalId: null,
      transactionTimeoutMs: 0,
    });
  }
}

function writeError(error: unknown, topics: string): unknown {
  if (!(error instanceof ProduceFailed)) return error;
  const { cause, message } = error;
  if (error.isPerhapsKept) {
    return new CommitOutcomeUnknownError(
      `Some records for ${topics} may be in the log or not: ${message}.`,
      { cause },
    );
  }
  if (isRefusal(cause, tooLarge)) {
    return new RecordTooLargeError(`Kafka found a batch for ${topics} too large: ${message}.`, {
      cause,
    });
  }
  if (isRefusal(cause, invalidRecord)) {
    return new FatalError(`A record is not one that ${topics} takes: ${message}.`, { cause });
  }
  if (isForbidden(cause)) {
    return new FatalError(`Writing to ${topics} is not allowed: ${message}; grant Write.`, {
      cause,
    });
  }
  return new RetriableError(`Nothing was written to ${topics}: ${message}.`, { cause });
}
