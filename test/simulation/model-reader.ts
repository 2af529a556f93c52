// Reads a partition of the model into columns that are used again for the next batch, as real readers do.

import type { PartitionReader, ReadOptions, TopicPartition } from '../../broker/index.ts';
import { type RecordBatch, RecordBatchBuilder } from '../../schemas/index.ts';
import { assert, MeanstreamError, RetriableError } from '../../support/index.ts';
import type { Fetched, ModelCluster } from './model-cluster.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export class ModelReader implements PartitionReader {
  readonly topic: string;
  readonly partition: number;
  position: number;
  end = -1;
  readonly #cluster: ModelCluster;
  readonly #process: SimulatedProcess;
  readonly #closed: Promise<never>;
  readonly #rows = new RecordBatchBuilder();
  #offsets = new Float64Array(256);
  #isReading = false;
  #isClosed = false;

  constructor(
    cluster: ModelCluster,
    process: SimulatedProcess,
    { topic, partition }: TopicPartition,
    from: number,
    closed: Promise<never>,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.position = from;
    this.#cluster = cluster;
    this.#process = process;
    this.#closed = closed;
  }

  async read({ rowsMax, waitMsMax }: ReadOptions): Promise<RecordBatch> {
    assert(!this.#isReading, `Two reads of ${this.topic}-${this.partition} at once.`);
    assert(!this.#isClosed, `A read of ${this.topic}-${this.partition} after its close.`);
    this.#isReading = true;
    try {
      return this.#take(await this.#fetch(rowsMax, waitMsMax));
    } finally {
      this.#isReading = false;
    }
  }

  seek(offset: number): void {
    assert(!this.#isReading, `A seek in ${this.topic}-${this.partition} during a read.`);
    this.position = offset;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async #fetch(rowsMax: number, waitMs: number): Promise<Fetched> {
    const { topic, partition, position } = this;
    const what = `fetch ${topic}-${partition}`;
    try {
      const fetched = this.#cluster.network.call(this.#process, { what, waitMs }, () =>
        this.#cluster.fetch({ topic, partition }, position, rowsMax, waitMs),
      );
      return await Promise.race([fetched, this.#closed]);
    } catch (error) {
      if (error instanceof MeanstreamError) throw error;
      throw new RetriableError(`${what} was not answered.`, { cause: error });
    }
  }

  #take({ rows, nextOffset, end }: Fetched): RecordBatch {
    this.#rows.bytes.fill(0xee, 0, this.#rows.size);
    this.#rows.clear();
    if (rows.length > this.#offsets.length) this.#offsets = new Float64Array(rows.length * 2);
    for (const [row, { offset, timestamp, key, value, headers }] of rows.entries()) {
      this.#offsets[row] = offset;
      this.#rows.append(timestamp, key, value, headers);
    }
    this.end = end;
    this.position = nextOffset;
    const { n, bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, headers } =
      this.#rows;
    return {
      ...{ n, bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, headers },
      ...{ topic: this.topic, partition: this.partition, offsets: this.#offsets, nextOffset },
    };
  }
}
