// The points of one partition, read once from front to back: each delta takes the ones of its range. What was read is decoded
// again when the shape of a point changes with the model.

import type { Broker, PartitionReader } from '../broker/index.ts';
import type { DecodePoints } from '../jobs/index.ts';
import { type PointBatch, type PointShape, type RecordBatch, topics } from '../schemas/index.ts';
import { DependencyDownError } from '../support/index.ts';

const readOptions = { rowsMax: 8_192, waitMsMax: 5_000 } as const;
const silentReadsMax = 6;

export class PointCursor {
  readonly #reader: PartitionReader;
  readonly #decode: DecodePoints;
  readonly #partition: number;
  #batch: RecordBatch | undefined;
  #points: PointBatch | undefined;
  #shape: PointShape | undefined;

  /** The decoder is this cursor's own: its batches are reused. */
  constructor(broker: Broker, partition: number, from: number, decode: DecodePoints) {
    this.#reader = broker.openReader({ topic: topics.points, partition }, from);
    this.#decode = decode;
    this.#partition = partition;
  }

  /** Ranges rise. @param visit is given the rows [first, end) of a batch, which is valid until it returns */
  async range(
    from: number,
    to: number,
    shape: PointShape,
    visit: (points: PointBatch, first: number, end: number) => void,
  ): Promise<void> {
    let silentReads = 0;
    for (;;) {
      if (this.#batch !== undefined) {
        const points = this.#decoded(this.#batch, shape);
        const first = rowAt(points, from);
        const end = rowAt(points, to);
        if (end > first) visit(points, first, end);
        if (this.#reader.position >= to) return;
      }
      const before = this.#reader.position;
      this.#batch = await this.#reader.read(readOptions);
      this.#points = undefined;
      silentReads = this.#reader.position > before ? 0 : silentReads + 1;
      if (silentReads === silentReadsMax) throw this.#stalled(before, to);
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  #decoded(batch: RecordBatch, shape: PointShape): PointBatch {
    if (this.#points === undefined || !sameShape(this.#shape!, shape)) {
      this.#points = this.#decode(batch, shape);
      this.#shape = shape;
    }
    return this.#points;
  }

  #stalled(at: number, to: number): DependencyDownError {
    return new DependencyDownError(
      `Reading ${topics.points}-${this.#partition} stopped at offset ${at} of ${to}: nothing came. Check the brokers, then verify again.`,
      { partition: this.#partition, at, to },
    );
  }
}

/** The first row at or after an offset. */
function rowAt({ offsets, n }: PointBatch, offset: number): number {
  let row = 0;
  let end = n;
  while (row < end) {
    const middle = (row + end) >>> 1;
    if (offsets[middle]! < offset) row = middle + 1;
    else end = middle;
  }
  return row;
}

function sameShape(a: PointShape, b: PointShape): boolean {
  return (
    a.dims === b.dims &&
    a.metric === b.metric &&
    a.missing === b.missing &&
    a.features.join() === b.features.join()
  );
}
