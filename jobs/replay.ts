// Replays a fixed offset range of the points topic into memory: one float32 matrix, shared so that a worker thread can read
// it without a copy. Records that are no points are counted and passed over: they are in dead-letters already.

import type { Broker } from '../broker/index.ts';
import type { Coreset } from '../clustering/index.ts';
import {
  type JobRange,
  type OffsetRange,
  type PointBatch,
  type PointShape,
  type RecordBatch,
  topics,
} from '../schemas/index.ts';
import { DependencyDownError } from '../support/index.ts';

/** Decodes what a reader gave; the batch is reused by the next call. */
export type DecodePoints = (batch: RecordBatch, shape: PointShape) => PointBatch;

export interface PlannedRange extends OffsetRange {
  readonly partition: number;
  /** Whether the group has committed a position: then the range ends there, else at the log's end. */
  readonly committed: boolean;
}

export interface ReplayOptions {
  readonly broker: Broker;
  readonly pieces: readonly JobRange[];
  /** What the pieces of partition −1 are rows of. */
  readonly summary?: Coreset | undefined;
  /** What a point must look like: the model's. */
  readonly shape: PointShape;
  readonly decode: DecodePoints;
  readonly onProgress: (records: number) => void;
}

export interface ReplayedPoints {
  /** n × dims, and n, both on SharedArrayBuffers. */
  readonly values: Float32Array;
  readonly weights: Float32Array;
  /** Of each piece; together n. */
  readonly pieceRows: readonly number[];
}

const rowsPerRead = 8_192;
const waitMsMax = 5_000;
const silentReadsMax = 6;

/**
 * What to replay: everything kept, up to the group's committed offsets, so that no delta is half inside; up to the
 * log's end where the group has committed nothing.
 */
export async function planRanges(broker: Broker, group: string): Promise<PlannedRange[]> {
  const offsets = await broker.listOffsets(topics.points);
  const partitions = offsets.map(({ partition }) => ({ topic: topics.points, partition }));
  const committed = await broker.committedOffsets(group, partitions);
  return offsets.map(({ partition, logStart, end }) => {
    const at = committed.find((entry) => entry.partition === partition)?.offset;
    const to = Math.max(logStart, at ?? end);
    return { partition, from: logStart, to, committed: at !== undefined };
  });
}

/** How many offsets the ranges cover. */
export function recordsIn(ranges: readonly OffsetRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}

/** All pieces, one after the other. */
export async function replayPoints(options: ReplayOptions): Promise<ReplayedPoints> {
  const { pieces, summary, shape, onProgress } = options;
  const { dims } = shape;
  const most = recordsIn(pieces);
  const values = new Float32Array(new SharedArrayBuffer(most * dims * 4));
  const weights = new Float32Array(new SharedArrayBuffer(most * 4));
  const pieceRows: number[] = [];
  let n = 0;
  let replayed = 0;
  const take = (some: Float32Array, own: Float32Array, rows: number): void => {
    values.set(some.subarray(0, rows * dims), n * dims);
    weights.set(own.subarray(0, rows), n);
    n += rows;
  };
  for (const piece of pieces) {
    const before = n;
    const { partition, from, to } = piece;
    if (partition < 0) {
      take(summary!.values.subarray(from * dims), summary!.weights.subarray(from), to - from);
    } else {
      for await (const { points, n: rows, records } of pointsOf(piece, options)) {
        take(points.values, points.weights, rows);
        replayed += records;
        onProgress(replayed);
      }
    }
    pieceRows.push(n - before);
  }
  return { values: values.subarray(0, n * dims), weights: weights.subarray(0, n), pieceRows };
}

/** The points of one range, batch by batch; a batch is reused by the next. */
export async function* pointsOf(
  { partition, from, to }: JobRange,
  { broker, shape, decode }: Pick<ReplayOptions, 'broker' | 'shape' | 'decode'>,
): AsyncGenerator<{ points: PointBatch; n: number; records: number }> {
  const reader = broker.openReader({ topic: topics.points, partition }, from);
  try {
    let silentReads = 0;
    while (reader.position < to) {
      const before = reader.position;
      const batch = await reader.read({ rowsMax: rowsPerRead, waitMsMax });
      silentReads = reader.position > before ? 0 : silentReads + 1;
      if (silentReads === silentReadsMax) throw stalled(partition, before, to);
      const points = decode(batch, shape);
      const records = Math.min(reader.position, to) - before;
      yield { points, n: rowsBefore(points, to), records };
    }
  } finally {
    await reader.close();
  }
}

/** Offsets rise, so those of the range come first. */
function rowsBefore(points: PointBatch, to: number): number {
  let n = points.n;
  while (n > 0 && points.offsets[n - 1]! >= to) n -= 1;
  return n;
}

function stalled(partition: number, at: number, to: number): DependencyDownError {
  return new DependencyDownError(
    `Replaying ${topics.points}-${partition} stopped at offset ${at} of ${to}: nothing came for ` +
      `${(silentReadsMax * waitMsMax) / 1000} s. Check the brokers, then run the retrain again.`,
    { partition, at, to },
  );
}
