// How far the processors are behind: the end of every `points` partition minus the group's committed offset, asked for
// once a second. The log is the only witness, so this is right whoever runs the processors.

import type { Broker } from '../../broker/index.ts';
import { topics } from '../../schemas/index.ts';
import type { Clock, Logger } from '../../support/index.ts';

export interface LagViewOptions {
  readonly broker: Broker;
  /** The processors' consumer group. */
  readonly group: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PartitionLag {
  readonly partition: number;
  readonly records: number;
}

export interface Lag {
  readonly records: number;
  readonly partitions: readonly PartitionLag[];
  /** Points in the log now. */
  readonly logRecords: number;
}

const everyMs = 1_000;

export class LagView {
  readonly #options: LagViewOptions;
  #lag: Lag | undefined;
  #endTicks: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(options: LagViewOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#measure();
    this.#endTicks = this.#options.clock.every(everyMs, () => {
      this.#running ??= this.#measure().finally(() => {
        this.#running = undefined;
      });
    });
  }

  /** Undefined while the log does not answer. */
  lag(): Lag | undefined {
    return this.#lag;
  }

  async stop(): Promise<void> {
    this.#endTicks();
    await this.#running;
  }

  async #measure(): Promise<void> {
    const { broker, group, logger } = this.#options;
    try {
      const bounds = await broker.listOffsets(topics.points);
      const asked = bounds.map(({ partition }) => ({ topic: topics.points, partition }));
      const committed = await broker.committedOffsets(group, asked);
      const positions = new Map(committed.map(({ partition, offset }) => [partition, offset]));
      const partitions = bounds.map(({ partition, logStart, end }) => ({
        partition,
        records: Math.max(0, end - Math.max(logStart, positions.get(partition) ?? logStart)),
      }));
      this.#lag = {
        records: partitions.reduce((sum, { records }) => sum + records, 0),
        partitions,
        logRecords: bounds.reduce((sum, { logStart, end }) => sum + end - logStart, 0),
      };
    } catch (error) {
      this.#lag = undefined;
      logger.debug({ err: error }, 'the lag could not be measured');
    }
  }
}
