// Points on their way into the log. Requests that arrive while an append is under way wait and go together with the
// next one; each gets its own offsets, once they are acknowledged. What waits is bounded: above it a client is told to
// slow down.

import type { Append, Broker, Writer } from '../broker/index.ts';
import { partitionOfKey } from '../broker/index.ts';
import { RecordBatchBuilder, type RecordHeader, topics } from '../schemas/index.ts';
import { RecordTooLargeError } from '../support/index.ts';
import { ProblemError } from './problem.ts';

/** A point as it goes into the log. */
export interface PointRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
}

/** Where a point stands. */
export interface PointPlace {
  readonly partition: number;
  /** As text: offsets are 64-bit numbers in the log. */
  readonly offset: string;
}

interface Waiting {
  readonly records: readonly PointRecord[];
  readonly partitions: readonly number[];
  readonly bytes: number;
  readonly resolve: (places: PointPlace[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface PointsWriterOptions {
  readonly broker: Broker;
  readonly unacknowledgedBytesMax: number;
}

const rowsPerAppendMax = 10_000;

export class PointsWriter {
  readonly #options: PointsWriterOptions;
  #writer: Writer | undefined;
  #partitions = 0;
  #turn = 0;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;

  constructor(options: PointsWriterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { broker } = this.#options;
    this.#partitions = (await broker.listOffsets(topics.points)).length;
    this.#writer = await broker.openWriter();
  }

  /**
   * Points with a key go where Kafka's clients would send them; those of one request without a key stay together.
   * @returns their places in the order given, once the log has them.
   */
  write(records: readonly PointRecord[]): Promise<PointPlace[]> {
    const bytes = records.reduce(
      (sum, { key, value }) => sum + (key?.length ?? 0) + value.length,
      0,
    );
    const bytesMax = this.#options.unacknowledgedBytesMax;
    if (this.#bytes > 0 && this.#bytes + bytes > bytesMax) {
      throw new ProblemError(
        'too-many-requests',
        `${this.#bytes} bytes of points wait for the log, ${bytesMax} is the most; send more slowly.`,
        { headers: { 'retry-after': '1' } },
      );
    }
    const keyless = this.#turn++ % this.#partitions;
    const partitions = records.map(({ key }) =>
      key === null ? keyless : partitionOfKey(key, this.#partitions),
    );
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, partitions, bytes, resolve, reject });
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined;
      });
    });
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    await this.#running;
    await this.#writer?.close();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const together = this.#take();
      try {
        await this.#append(together);
      } catch (error) {
        if (error instanceof RecordTooLargeError && together.length > 1)
          await this.#oneByOne(together);
        else for (const { reject } of together) reject(error);
      }
      for (const { bytes } of together) this.#bytes -= bytes;
    }
  }

  #take(): Waiting[] {
    let rows = 0;
    let count = 0;
    for (const { records } of this.#waiting) {
      rows += records.length;
      if (count > 0 && rows > rowsPerAppendMax) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** A record nobody can store fails its own request only. */
  async #oneByOne(together: readonly Waiting[]): Promise<void> {
    for (const waiting of together) {
      try {
        await this.#append([waiting]);
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  async #append(together: readonly Waiting[]): Promise<void> {
    const builders = new Map<number, RecordBatchBuilder>();
    const rows = together.map(({ records, partitions }) =>
      records.map((record, i) => appendTo(builderOf(builders, partitions[i]!), record)),
    );
    const appends: Append[] = [...builders].map(([partition, records]) => ({
      topic: topics.points,
      partition,
      records,
    }));
    const appended = await this.#writer!.append(appends);
    const bases = new Map(appended.map(({ partition, baseOffset }) => [partition, baseOffset]));
    for (const [w, { partitions, resolve }] of together.entries()) {
      resolve(
        partitions.map((partition, i) => ({
          partition,
          offset: String(bases.get(partition)! + rows[w]![i]!),
        })),
      );
    }
  }
}

function builderOf(builders: Map<number, RecordBatchBuilder>, partition: number) {
  let builder = builders.get(partition);
  if (builder === undefined) {
    builder = new RecordBatchBuilder();
    builders.set(partition, builder);
  }
  return builder;
}

/** @returns the row. */
function appendTo(builder: RecordBatchBuilder, record: PointRecord): number {
  builder.append(record.timestampMs, record.key, record.value, record.headers);
  return builder.n - 1;
}
