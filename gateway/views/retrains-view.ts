// What was asked for on `model-commands` and what became of it on `retrains`: the newest state of each request, by its id.

import type { Broker } from '../../broker/index.ts';
import {
  decodeRetrainCommand,
  decodeRetrainState,
  type RecordBatch,
  type RetrainCommand,
  type RetrainState,
  recordValue,
  topics,
} from '../../schemas/index.ts';
import { type Clock, InvalidRecordError, type Logger } from '../../support/index.ts';
import { TopicTail } from './topic-tail.ts';

export interface RetrainsViewOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** States that came after the start. */
  readonly onState: (state: RetrainState) => void;
}

const rowsMax = 500;
const keptMax = 200;

export class RetrainsView {
  readonly #options: RetrainsViewOptions;
  readonly #requests: TopicTail;
  readonly #results: TopicTail;
  readonly #states = new Map<number, RetrainState>();

  constructor(options: RetrainsViewOptions) {
    const { broker, clock, logger } = options;
    this.#options = options;
    const common = { broker, rowsMax, clock, logger, from: 'start' } as const;
    this.#requests = new TopicTail({
      ...common,
      topic: topics.modelCommands,
      onBatch: (batch) => this.#takeRequests(batch),
    });
    this.#results = new TopicTail({
      ...common,
      topic: topics.retrains,
      onBatch: (batch) => this.#takeResults(batch),
    });
  }

  async start(): Promise<void> {
    await Promise.all([this.#requests.start(), this.#results.start()]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#requests.stop(), this.#results.stop()]);
  }

  /** Newest first. */
  list(): RetrainState[] {
    return [...this.#states].sort(([a], [b]) => b - a).map(([, state]) => state);
  }

  get(id: string): RetrainState | undefined {
    return this.#states.get(Number(id));
  }

  /** The newest, which is not one that another covered. */
  latest(): RetrainState | undefined {
    return this.list().find(({ state }) => state !== 'skipped');
  }

  #takeRequests(batch: RecordBatch): void {
    for (let row = 0; row < batch.n; row += 1) {
      const offset = batch.offsets[row]!;
      const command = read(() => decodeRetrainCommand(recordValue(batch, row)!));
      if (command?.command !== 'retrain' || this.#states.has(offset)) continue;
      this.#keep(offset, requested(offset, command), this.#requests.isCaughtUp);
    }
  }

  #takeResults(batch: RecordBatch): void {
    for (let row = 0; row < batch.n; row += 1) {
      const value = recordValue(batch, row);
      const state = value === null ? undefined : read(() => decodeRetrainState(value));
      if (state !== undefined) this.#keep(Number(state.id), state, this.#results.isCaughtUp);
    }
  }

  #keep(id: number, state: RetrainState, isNew: boolean): void {
    this.#states.set(id, state);
    if (this.#states.size > keptMax) this.#states.delete(Math.min(...this.#states.keys()));
    if (isNew) this.#options.onState(state);
  }
}

/** As it stands before anybody has begun it. */
export function requested(offset: number, command: RetrainCommand): RetrainState {
  const { trigger, requestedBy, reason, timestampMs, k = null } = command;
  return {
    ...{ id: String(offset), state: 'requested', trigger, requestedBy, reason },
    ...{ requestedAtMs: timestampMs, k, startedAtMs: null, endedAtMs: null, runner: null },
    ...{ progress: null, report: null, error: null },
  };
}

/** A record nobody can read is somebody else's matter. */
function read<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    return undefined;
  }
}
