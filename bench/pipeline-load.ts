// Points for the pipeline bench: a backlog that becomes visible all at once, so that whoever drains it is up, warm and idle
// when the clock starts. A transaction of one record a partition is held open in front of the backlog: readers that are
// read_committed stop there, until it is committed.

import { Kafka, logLevel } from 'kafkajs';
import { type Broker, partitionOfKey } from '../broker/index.ts';
import { RecordBatchBuilder } from '../schemas/index.ts';
import { type PointSet, pointSet } from './points.ts';

export type LoadFormat = 'float32' | 'json';

export const partitions = 4;
/** So many different points; a longer stream comes back to them. */
const distinctMax = 200_000;
const rowsPerAppend = 4_096;
const holdMsMax = 600_000;

export interface LoadOptions {
  readonly broker: Broker;
  readonly bootstrapServers: string;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly format: LoadFormat;
}

/** Where a backlog ends, by partition: what a group has committed when it is through. */
export type Ends = readonly number[];

export class Load {
  readonly points: PointSet;
  readonly #options: LoadOptions;
  readonly #values: readonly Uint8Array[];
  readonly #kafka: Kafka;

  constructor(options: LoadOptions) {
    const { n, dims, k, format, bootstrapServers } = options;
    this.#options = options;
    this.points = pointSet({ n: Math.min(n, distinctMax), dims, k, noise: 0.5, seed: 1 });
    this.#values = valuesOf(this.points, format);
    this.#kafka = new Kafka({ brokers: [bootstrapServers], logLevel: logLevel.NOTHING });
  }

  /** Appends n points, with keys, each where Kafka's producers put its key. */
  async fill(topic: string, n: number): Promise<Ends> {
    const { broker } = this.#options;
    const encoder = new TextEncoder();
    const writers = await Promise.all(
      Array.from({ length: partitions }, () => broker.openWriter()),
    );
    const builders = writers.map(() => new RecordBatchBuilder(rowsPerAppend, 1_048_576));
    const ends = (await broker.listOffsets(topic)).map(({ end }) => end);
    const flush = async (partition: number) => {
      const records = builders[partition]!;
      if (records.n === 0) return;
      const [at] = await writers[partition]!.append([{ topic, partition, records }]);
      ends[partition] = at!.baseOffset + records.n;
      records.clear();
    };
    for (let row = 0; row < n; row++) {
      const key = encoder.encode(`p-${row}`);
      const partition = partitionOfKey(key, partitions);
      const records = builders[partition]!;
      records.append(Date.now(), key, this.#values[row % this.#values.length]!);
      if (records.n === rowsPerAppend) await flush(partition);
    }
    for (let partition = 0; partition < partitions; partition++) await flush(partition);
    await Promise.all(writers.map((writer) => writer.close()));
    return ends;
  }

  /** Holds back what is appended from now on. @returns what releases it; a record a partition is part of the backlog. */
  async hold(topic: string): Promise<() => Promise<void>> {
    const producer = this.#kafka.producer({
      ...{ transactionalId: `hold-${topic}`, idempotent: true, maxInFlightRequests: 1 },
      transactionTimeout: holdMsMax,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    const value = Buffer.from(this.#values[0]!);
    const messages = Array.from({ length: partitions }, (_, partition) => {
      return { partition, key: `held-${partition}`, value };
    });
    await transaction.send({ topic, messages });
    return async () => {
      await transaction.commit();
      await producer.disconnect();
    };
  }
}

function valuesOf({ n, dims, values }: PointSet, format: LoadFormat): Uint8Array[] {
  const bytes = new Uint8Array(values.buffer);
  return Array.from({ length: n }, (_, row) => {
    if (format === 'float32') return bytes.subarray(row * dims * 4, (row + 1) * dims * 4);
    const vector = Array.from(values.subarray(row * dims, (row + 1) * dims), (value) =>
      Number(value.toPrecision(7)),
    );
    return new TextEncoder().encode(JSON.stringify({ vector }));
  });
}
