// The models topic as a job sees it: read to its end once, then followed on demand.

import type { Broker, PartitionReader } from '../broker/index.ts';
import { type Model, topics } from '../schemas/index.ts';
import { ModelRegistry } from '../state-stores/index.ts';
import type { Clock } from '../support/index.ts';

const readOptions = { rowsMax: 1_024, waitMsMax: 200 } as const;

export class ModelFollower {
  readonly registry = new ModelRegistry();
  readonly #reader: PartitionReader;
  readonly #broker: Broker;

  private constructor(reader: PartitionReader, broker: Broker) {
    this.#reader = reader;
    this.#broker = broker;
  }

  /** Everything published so far is in the registry. */
  static async open(broker: Broker): Promise<ModelFollower> {
    const [offsets] = await broker.listOffsets(topics.models);
    const follower = new ModelFollower(
      broker.openReader({ topic: topics.models, partition: 0 }, offsets?.logStart ?? 0),
      broker,
    );
    await follower.catchUp();
    return follower;
  }

  async catchUp(): Promise<void> {
    const [offsets] = await this.#broker.listOffsets(topics.models);
    while (this.#reader.position < (offsets?.end ?? 0)) await this.#readMore();
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
