// Points on their way into the log. Requests that arrive while an append is under way wait and go together with the
// next one; each gets its own offsets, once they are acknowledged. How much waits is bounded at the door (route-load.ts).

import type { Append, AppendedAt, Broker, Writer } from '../broker/index.ts';
import { partitionOfKey } from '../broker/index.ts';
import {
  RecordBatchBuilder,
  type RecordHeader,
  recordHeaders,
  recordKey,
  recordValue,
  topics,
} from '../schemas/index.ts';
import { RecordTooLargeError } from '../support/index.ts';

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

/**
 * Where the points of a request stand, in the order given: worked out when it is called. As lists they would outlive the young
 * generation while their requests wait for their turn to answer: half of what the heap of a loaded gateway grew by.
 */
export type PlacesOf = () => PointPlace[];

/** A request: the partition and the row in it of each of its points. */
interface Request {
  readonly partitions: readonly number[];
  readonly rows: readonly number[];
  readonly resolve: (places: PlacesOf) => void;
  readonly reject: (error: unknown) => void;
}

type Builders = Map<number, RecordBatchBuilder>;

/** Requests that go into the log together. Their records are copied in at once, so nothing else of a request is held. */
interface Bundle {
  readonly builders: Builders;
  readonly requests: Request[];
  rows: number;
}

const rowsPerAppendMax = 10_000;
/** Memory of bundles that were written, for the next: as many as wait when requests come faster than the log takes them. */
const spareMax = 6;

export class PointsWriter {
  readonly #broker: Broker;
  #writer: Writer | undefined;
  #partitions = 0;
  #turn = 0;
  readonly #waiting: Bundle[] = [];
  readonly #spare: Builders[] = [];
  #running: Promise<void> | undefined;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  async start(): Promise<void> {
    this.#partitions = (await this.#broker.listOffsets(topics.points)).length;
    this.#writer = await this.#broker.openWriter();
  }

  /**
   * Points with a key go where Kafka's clients would send them; those of one request without a key stay together.
   * @returns their places, once the log has them.
   */
  write(records: readonly PointRecord[]): Promise<PlacesOf> {
    const keyless = this.#turn++ % this.#partitions;
    const partitions = records.map(({ key }) =>
      key === null ? keyless : partitionOfKey(key, this.#partitions),
    );
    const bundle = this.#bundleFor(records.length);
    const rows = records.map(({ timestampMs, key, value, headers }, i) => {
      const builder = builderOf(bundle, partitions[i]!);
      builder.append(timestampMs, key, value, headers);
      return builder.n - 1;
    });
    bundle.rows += records.length;
    return new Promise((resolve, reject) => {
      bundle.requests.push({ partitions, rows, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    await this.#running;
    await this.#writer?.close();
  }

  /** The last that waits, or a new one. */
  #bundleFor(rows: number): Bundle {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.rows + rows <= rowsPerAppendMax) return last;
    const bundle = { builders: this.#spare.pop() ?? new Map(), requests: [], rows: 0 };
    this.#waiting.push(bundle);
    return bundle;
  }

  async #run(): Promise<void> {
    for (let bundle = this.#waiting.shift(); bundle !== undefined; bundle = this.#waiting.shift()) {
      try {
        await this.#append(bundle);
      } catch (error) {
        if (error instanceof RecordTooLargeError && bundle.requests.length > 1)
          await this.#oneByOne(bundle);
        else for (const { reject } of bundle.requests) reject(error);
      }
      this.#keep(bundle);
    }
    // At once, and not when the promise is heard of: whatever is written in between would wait for ever.
    this.#running = undefined;
  }

  #keep({ builders }: Bundle): void {
    if (this.#spare.length === spareMax) return;
    for (const builder of builders.values()) builder.clear();
    this.#spare.push(builders);
  }

  /** A record nobody can store fails its own request only. */
  async #oneByOne({ builders, requests }: Bundle): Promise<void> {
    for (const request of requests) {
      try {
        await this.#append(bundleOf(request, builders));
      } catch (error) {
        request.reject(error);
      }
    }
  }

  async #append({ builders, requests }: Bundle): Promise<void> {
    const appends: Append[] = [...builders]
      .filter(([, { n }]) => n > 0)
      .map(([partition, records]) => ({ topic: topics.points, partition, records }));
    const appended = await this.#writer!.append(appends);
    const places = new Map(appended.map((at) => [at.partition, at]));
    for (const { partitions, rows, resolve } of requests) {
      resolve(() =>
        partitions.map((partition, i) => ({
          partition,
          offset: String(offsetOf(places.get(partition)!, rows[i]!)),
        })),
      );
    }
  }
}

function offsetOf({ baseOffset, splits = [] }: AppendedAt, row: number): number {
  const split = splits.findLast((it) => it.row <= row);
  return split === undefined ? baseOffset + row : split.baseOffset + row - split.row;
}

function builderOf({ builders }: Bundle, partition: number): RecordBatchBuilder {
  let builder = builders.get(partition);
  if (builder === undefined) {
    builder = new RecordBatchBuilder();
    builders.set(partition, builder);
  }
  return builder;
}

/** Its records alone, out of those of all. */
function bundleOf(request: Request, from: Builders): Bundle {
  const alone: Bundle = { builders: new Map(), requests: [], rows: request.rows.length };
  const rows = request.rows.map((row, i) => {
    const partition = request.partitions[i]!;
    const source = from.get(partition)!;
    const builder = builderOf(alone, partition);
    const [key, value] = [recordKey(source, row), recordValue(source, row)];
    builder.append(source.timestamps[row]!, key, value, recordHeaders(source, row));
    return builder.n - 1;
  });
  alone.requests.push({ ...request, rows });
  return alone;
}
