// Recent points with their clusters, at a bounded cost whatever the stream's rate: a few hundred of the newest
// assignments of a partition are read, then the points they were made from, and the two are joined by offset. When the
// stream is slow nothing is left out; when it is fast the rest is skipped.

import type { Broker, PartitionReader } from '../../broker/index.ts';
import { type Assignment, type RecordBatch, recordValue, topics } from '../../schemas/index.ts';
import { type Logger, OffsetOutOfRangeError } from '../../support/index.ts';

export interface RecentPairsOptions {
  readonly broker: Broker;
  readonly logger: Logger;
  /** The points of a batch, called for each that can be decoded: its offset, and where its vector stands. */
  readonly decode: (batch: RecordBatch, each: EachPoint) => void;
}

export type EachPoint = (offset: number, values: Float32Array, at: number, dims: number) => void;
export type EachPair = (
  assignment: Assignment,
  values: Float32Array,
  at: number,
  dims: number,
) => void;

interface PartitionState {
  readonly partition: number;
  readonly assignments: PartitionReader;
  readonly points: PartitionReader;
}

const partitionsPerTurn = 4;
const waitMsMax = 100;
const utf8 = new TextDecoder();

export class RecentPairs {
  readonly #options: RecentPairsOptions;
  #partitions: PartitionState[] = [];
  #next = 0;

  constructor(options: RecentPairsOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#partitions.length > 0;
  }

  /** Begins `last` assignments before the end, shared among the partitions. */
  async open(last: number): Promise<void> {
    const { broker } = this.#options;
    const bounds = await broker.listOffsets(topics.assignments);
    const each = Math.ceil(last / Math.max(1, bounds.length));
    this.#partitions = bounds.map(({ partition, logStart, end }) => {
      const at = (topic: string) => ({ topic, partition });
      const from = Math.max(logStart, end - each);
      return {
        partition,
        assignments: broker.openReader(at(topics.assignments), from),
        points: broker.openReader(at(topics.points), 0),
      };
    });
  }

  /** Visits up to `rowsMax` new pairs of each of the next few partitions. */
  async read(rowsMax: number, each: EachPair): Promise<void> {
    const turns = Math.min(partitionsPerTurn, this.#partitions.length);
    for (let turn = 0; turn < turns; turn += 1) {
      const state = this.#partitions[this.#next++ % this.#partitions.length]!;
      await this.#readPartition(state, rowsMax, each);
    }
  }

  async close(): Promise<void> {
    const partitions = this.#partitions;
    this.#partitions = [];
    for (const { assignments, points } of partitions) {
      await assignments.close();
      await points.close();
    }
  }

  async #readPartition(state: PartitionState, rowsMax: number, each: EachPair): Promise<void> {
    const { assignments } = state;
    if (assignments.end - assignments.position > rowsMax) {
      assignments.seek(assignments.end - rowsMax);
    }
    try {
      const batch = await assignments.read({ rowsMax, waitMsMax: 0 });
      const byOffset = this.#parsed(batch);
      if (byOffset.size > 0) await this.#join(state.points, byOffset, each);
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error;
      await this.#toTheEnd(state);
    }
  }

  async #join(
    points: PartitionReader,
    byOffset: ReadonlyMap<number, Assignment>,
    each: EachPair,
  ): Promise<void> {
    const offsets = [...byOffset.keys()];
    const from = Math.min(...offsets);
    const to = Math.max(...offsets) + 1;
    if (points.position !== from) points.seek(from);
    while (points.position < to) {
      const batch = await points.read({ rowsMax: to - points.position, waitMsMax });
      this.#options.decode(batch, (offset, values, at, dims) => {
        const assignment = byOffset.get(offset);
        if (assignment !== undefined) each(assignment, values, at, dims);
      });
      if (batch.n === 0) break;
    }
  }

  /** By the source's offset. A record that is no assignment is none of ours. */
  #parsed(batch: RecordBatch): Map<number, Assignment> {
    const byOffset = new Map<number, Assignment>();
    for (let row = 0; row < batch.n; row += 1) {
      const value = recordValue(batch, row);
      if (value === null) continue;
      try {
        const assignment = JSON.parse(utf8.decode(value)) as Assignment;
        if (assignment.partition === batch.partition) byOffset.set(assignment.offset, assignment);
      } catch (error) {
        this.#options.logger.debug({ err: error }, 'an assignment cannot be read');
      }
    }
    return byOffset;
  }

  async #toTheEnd({ partition, assignments }: PartitionState): Promise<void> {
    const bounds = await this.#options.broker.listOffsets(topics.assignments);
    const end = bounds.find((entry) => entry.partition === partition)?.end;
    if (end !== undefined) assignments.seek(end);
  }
}
