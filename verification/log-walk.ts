// Partition 0 of a topic from its first record to where it ended when the walk began.

import type { Broker, PartitionReader } from '../broker/index.ts';
import type { RecordBatch } from '../schemas/index.ts';
import { DependencyDownError } from '../support/index.ts';

export interface LogRow {
  readonly batch: RecordBatch;
  readonly row: number;
  readonly offset: number;
}

const readOptions = { rowsMax: 512, waitMsMax: 2_000 } as const;
const silentReadsMax = 15;

export class LogWalk {
  readonly logStart: number;
  readonly end: number;
  readonly #reader: PartitionReader;
  readonly #topic: string;
  #batch: RecordBatch | undefined;
  #row = 0;

  private constructor(reader: PartitionReader, topic: string, logStart: number, end: number) {
    this.#reader = reader;
    this.#topic = topic;
    this.logStart = logStart;
    this.end = end;
  }

  static async open(broker: Broker, topic: string): Promise<LogWalk> {
    const [bounds] = await broker.listOffsets(topic);
    const { logStart, end } = bounds ?? { logStart: 0, end: 0 };
    const reader = broker.openReader({ topic, partition: 0 }, logStart);
    return new LogWalk(reader, topic, logStart, end);
  }

  /** The rows not yet walked before an offset. A row is valid until the next is asked for. */
  async *rows(before: number = this.end): AsyncGenerator<LogRow> {
    for (;;) {
      const batch = this.#batch;
      if (batch === undefined || this.#row >= batch.n) {
        if (this.#reader.position >= Math.min(before, this.end)) return;
        this.#batch = await this.#read();
        this.#row = 0;
        continue;
      }
      const offset = batch.offsets[this.#row]!;
      if (offset >= before) return;
      const row = this.#row;
      this.#row += 1;
      yield { batch, row, offset };
    }
  }

  async *batches(): AsyncGenerator<RecordBatch> {
    while (this.#reader.position < this.end) yield await this.#read();
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  async #read(): Promise<RecordBatch> {
    for (let silentReads = 0; silentReads < silentReadsMax; silentReads += 1) {
      const before = this.#reader.position;
      const batch = await this.#reader.read(readOptions);
      if (this.#reader.position > before) return batch;
    }
    throw new DependencyDownError(
      `Reading ${this.#topic} stopped at offset ${this.#reader.position} of ${this.end}: nothing came. Check the brokers, then verify again.`,
      { topic: this.#topic },
    );
  }
}
