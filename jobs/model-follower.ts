// The models topic as a job sees it: read to its end once, then followed on demand.

import type { Broker, PartitionReader } from '../broker/index.ts';
import { type Model, topics } from '../schemas/index.ts';
import { ModelRegistry } from '../state-stores/index.ts';
import type { Clock } from '../support/index.ts';

const readOptions = { rowsMax: 1_024, waitMsMax: 200 } as const;

export class ModelFollower {
  readonly registry = new ModelRegistry();
  readonly #reader: PartitionReader;

  private constructor(reader: PartitionReader) {
    this.#reader = reader;
  }

  /** Everything published so far is in the registry. */
  static async open(broker: Broker): Promise<ModelFollower> {
    const [offsets] = await broker.listOffsets(topics.models);
    const { logStart, end } = offsets ?? { logStart: 0, end: 0 };
    const follower = new ModelFollower(
      broker.openReader({ topic: topics.models, partition: 0 }, logStart),
    );
    while (follower.#reader.position < end) await follower.#readMore();
    return follower;
  }

  /** @returns whether the current model came to satisfy the predicate in time */
  async waitFor(
    predicate: (current: Model | undefined) => boolean,
    waitMsMax: number,
    clock: Clock,
  ): Promise<boolean> {
    const deadline = clock.monotonicMs() + waitMsMax;
    while (!predicate(this.registry.current())) {
      if (clock.monotonicMs() > deadline) return false;
      await this.#readMore();
    }
    return true;
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  async #readMore(): Promise<void> {
    this.registry.apply(await this.#reader.read(readOptions));
  }
}
