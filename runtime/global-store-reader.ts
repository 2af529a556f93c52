// Keeps one global store: reads every partition of its topic from the start to the end before tasks run, then goes on
// reading. A fault of the log is waited out; a record that the store refuses stops it for good.

import type { Broker, PartitionReader, TopicPartition } from '../broker/index.ts';
import type { GlobalStore } from '../state-stores/index.ts';
import { type Clock, FatalError, type Logger, OffsetOutOfRangeError } from '../support/index.ts';
import type { GlobalStoreNode } from '../topology/index.ts';
import { idleReadMsMax, restoreRowsMax } from './task-environment.ts';

export interface GlobalStoreReaderOptions {
  readonly node: GlobalStoreNode;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFailed: (error: Error) => void;
}

const backoffMs = 500;

export class GlobalStoreReader {
  readonly store: GlobalStore;
  readonly #options: GlobalStoreReaderOptions;
  readonly #readers: PartitionReader[] = [];
  readonly #stopping = new AbortController();
  #loops: Promise<void>[] = [];
  #filling: Promise<void> = Promise.resolve();
  #failed: string | undefined;

  constructor(options: GlobalStoreReaderOptions) {
    this.#options = options;
    this.store = options.node.create();
  }

  /** Why it no longer follows its topic. */
  get failed(): string | undefined {
    return this.#failed;
  }

  /** Opens the readers at the start of the log, and takes in everything up to its end. */
  fill(): Promise<void> {
    this.#filling = this.#fill();
    return this.#filling;
  }

  /** Takes in what the topic holds now. @returns whether there was anything. */
  async catchUp(): Promise<boolean> {
    const { broker, node } = this.#options;
    let rows = 0;
    for (const { partition, end } of await broker.listOffsets(node.topic)) {
      const reader = this.#readers[partition]!;
      while (reader.position < end && !this.#isStopping) {
        rows += await this.#read(reader, idleReadMsMax);
      }
    }
    return rows > 0;
  }

  /** Follows the topic until `stop`. */
  start(): void {
    this.#loops = this.#readers.map((_, at) => this.#follow(at));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#filling.catch(() => {});
    await Promise.all(this.#loops);
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  async #fill(): Promise<void> {
    const { broker, node } = this.#options;
    for (const { partition, logStart } of await broker.listOffsets(node.topic)) {
      this.#readers.push(broker.openReader({ topic: node.topic, partition }, logStart));
    }
    await this.catchUp();
  }

  async #follow(at: number): Promise<void> {
    while (!this.#isStopping && this.#failed === undefined) {
      try {
        await this.#read(this.#readers[at]!, idleReadMsMax);
      } catch (error) {
        await this.#recover(at, error);
      }
    }
  }

  async #recover(at: number, error: unknown): Promise<void> {
    const { clock, logger, node } = this.#options;
    if (error instanceof FatalError) {
      this.#failed = error.message;
      this.#options.onFailed(error);
      return;
    }
    logger.warn(
      { store: node.name, err: error },
      `global store ${node.name} cannot read its topic`,
    );
    await clock.sleep(backoffMs, this.#stopping.signal);
    if (error instanceof OffsetOutOfRangeError) await this.#rewind(at).catch(() => {});
  }

  /** The log has moved on without us: its start holds the newest of every key that is left. */
  async #rewind(at: number): Promise<void> {
    const reader = this.#readers[at]!;
    reader.seek(await logStartOf(this.#options.broker, reader));
  }

  async #read(reader: PartitionReader, waitMsMax: number): Promise<number> {
    const batch = await reader.read({ rowsMax: restoreRowsMax, waitMsMax });
    if (batch.n === 0) return 0;
    try {
      this.store.apply(batch);
    } catch (error) {
      const { topic, partition, offsets, n } = batch;
      throw new FatalError(
        `Global store ${this.#options.node.name} cannot take in ${topic}-${partition}, offsets ${offsets[0]} to ${offsets[n - 1]}: ${String(error)}`,
        { topic, partition, offset: offsets[0], cause: error },
      );
    }
    return batch.n;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }
}

async function logStartOf(broker: Broker, { topic, partition }: TopicPartition): Promise<number> {
  return (await broker.listOffsets(topic))[partition]!.logStart;
}
