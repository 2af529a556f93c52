// What a writer sends ahead of its commit, so that the log takes it in while more is made: one sending at a time, in memory that
// is used again for the next. While one is under way, or when rows cannot be signed now, nothing is taken: the commit has
// the time to ask for limits, and the words for what is too large.

import { crashPoint } from '../../support/index.ts';
import type { Append, TopicPartition } from '../broker.ts';
import { BatchMemory } from './batch-memory.ts';
import { nameOf } from './by-topic.ts';
import type { ProducerSession } from './producer-session.ts';
import { type SignedBatch, signBatches } from './sign-batches.ts';
import type { TopicLimits } from './topic-limits.ts';

export interface AheadOptions {
  readonly limits: TopicLimits;
  readonly session: ProducerSession;
  readonly produce: (batches: readonly SignedBatch[]) => Promise<unknown>;
}

export class AheadOfCommit {
  readonly #options: AheadOptions;
  readonly #memory = new BatchMemory();
  #underWay: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #partitions: ReadonlyMap<string, TopicPartition> = new Map();

  constructor(options: AheadOptions) {
    this.#options = options;
  }

  /** By name: those that anything was sent to since the last `reset`. */
  get partitions(): ReadonlyMap<string, TopicPartition> {
    return this.#partitions;
  }

  get isUsed(): boolean {
    return this.#partitions.size > 0;
  }

  /** @returns undefined when the rows are not taken; else what resolves at the end of it, and never throws */
  send(appends: readonly Append[]): Promise<void> | undefined {
    if (this.#underWay !== undefined || this.#failure !== undefined) return undefined;
    const batches = this.#signed(appends);
    if (batches === undefined) return undefined;
    this.#partitions = new Map([...this.#partitions, ...partitionsOf(batches)]);
    this.#underWay = this.#produce(batches);
    return this.#underWay;
  }

  /** Resolves when nothing is under way. @throws what failed */
  async settled(): Promise<void> {
    await this.#underWay;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** The commit is made, or taken back. */
  reset(): void {
    this.#partitions = new Map();
    this.#failure = undefined;
  }

  async #produce(batches: readonly SignedBatch[]): Promise<void> {
    try {
      await this.#options.produce(batches);
      crashPoint('sent-ahead');
      this.#memory.reuse();
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#underWay = undefined;
    }
  }

  #signed(appends: readonly Append[]): SignedBatch[] | undefined {
    const { limits, session } = this.#options;
    const known = limits.known(appends);
    if (known === undefined) return undefined;
    try {
      return signBatches(appends, known, session, (bytes) => this.#memory.take(bytes));
    } catch {
      return undefined;
    }
  }
}

/** By name. */
export function partitionsOf(batches: readonly SignedBatch[]): Map<string, TopicPartition> {
  return new Map(
    batches.map(({ topic, partition }) => [nameOf({ topic, partition }), { topic, partition }]),
  );
}
