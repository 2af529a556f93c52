// The newest messages of a topic, decoded, in a ring: drift reports, cluster events, quality summaries. It begins with
// what the topic already holds, so a gateway that has just started has something to show.

import type { Broker } from '../../broker/index.ts';
import { type RecordBatch, recordValue, type TopicName } from '../../schemas/index.ts';
import type { Clock, Logger } from '../../support/index.ts';
import { TopicTail } from './topic-tail.ts';

export interface RecentViewOptions<Message> {
  readonly broker: Broker;
  readonly topic: TopicName;
  readonly messagesMax: number;
  readonly decode: (value: Uint8Array) => Message;
  /** Messages appended since the start, in order. */
  readonly onMessage?: (message: Message) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const rowsMax = 1_000;

export class RecentView<Message> {
  readonly #options: RecentViewOptions<Message>;
  readonly #tail: TopicTail;
  #messages: Message[] = [];

  constructor(options: RecentViewOptions<Message>) {
    const { broker, topic, messagesMax, clock, logger } = options;
    this.#options = options;
    this.#tail = new TopicTail({
      broker,
      topic,
      from: { last: messagesMax },
      rowsMax,
      onBatch: (batch) => this.#apply(batch),
      clock,
      logger,
    });
  }

  start(): Promise<void> {
    return this.#tail.start();
  }

  get isCaughtUp(): boolean {
    return this.#tail.isCaughtUp;
  }

  /** Oldest first. */
  messages(): readonly Message[] {
    return this.#messages;
  }

  latest(): Message | undefined {
    return this.#messages.at(-1);
  }

  stop(): Promise<void> {
    return this.#tail.stop();
  }

  #apply(batch: RecordBatch): void {
    const { messagesMax, onMessage } = this.#options;
    const isNew = this.#tail.isCaughtUp;
    for (let row = 0; row < batch.n; row += 1) {
      const message = this.#decode(batch, row);
      if (message === undefined) continue;
      this.#messages.push(message);
      if (isNew) onMessage?.(message);
    }
    if (this.#messages.length > messagesMax) this.#messages = this.#messages.slice(-messagesMax);
  }

  /** One message nobody can read must not hide the others. */
  #decode(batch: RecordBatch, row: number): Message | undefined {
    const value = recordValue(batch, row);
    if (value === null) return undefined;
    const { topic, decode, logger } = this.#options;
    try {
      return decode(value);
    } catch (error) {
      logger.warn({ topic, offset: batch.offsets[row], err: error }, 'a message cannot be read');
      return undefined;
    }
  }
}
