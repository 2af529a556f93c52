// Replays a fixed offset range of the points topic into memory: one float32 matrix, shared so that a worker thread can read
// it without a copy. Records that are no points are counted and passed over: they are in dead-letters already.

import type { Broker } from '../broker/index.ts';
import {
  type OffsetRange,
  type PointBatch,
  type PointShape,
  type RecordBatch,
  topics,
} from '../schemas/index.ts';
import { DependencyDownError, InvalidSettingError } from '../support/index.ts';

/** Decodes what a reader gave; the batch is reused by the next call. */
export type DecodePoints = (batch: RecordBatch, shape: PointShape) => PointBatch;

export interface PlannedRange extends OffsetRange {
  readonly partition: number;
  /** Whether the group has committed a position: then the range ends there, else at the log's end. */
  readonly committed: boolean;
}

export interface ReplayOptions {
  readonly broker: Broker;
  readonly ranges: readonly PlannedRange[];
  /** What a point must look like: the model's. */
  readonly shape: PointShape;
  readonly decode: DecodePoints;
  readonly onProgress: (records: number, of: number) => void;
}

export interface ReplayedPoints {
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly n: number;
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

export async function replayPoints(options: ReplayOptions): Promise<ReplayedPoints> {
  const { ranges, shape, onProgress } = options;
  const { dims } = shape;
  const total = recordsIn(ranges);
  if (total === 0) {
    throw new InvalidSettingError(
      'There is nothing to retrain from: the points topic has no processed records. Produce points first.',
    );
  }
  const values = new Float32Array(new SharedArrayBuffer(total * dims * 4));
  const weights = new Float32Array(new SharedArrayBuffer(total * 4));
  let n = 0;
  let done = 0;
  for (const range of ranges) {
    for await (const { points, n: rows, records } of pointsOf(range, options)) {
      values.set(points.values.subarray(0, rows * dims), n * dims);
      weights.set(points.weights.subarray(0, rows), n);
      n += rows;
      done += records;
      onProgress(done, total);
    }
  }
  return { values: values.subarray(0, n * dims), weights: weights.subarray(0, n), n };
}

/** The points of one range, batch by batch; a batch is reused by the next. */
export async function* pointsOf(
  { partition, from, to }: PlannedRange,
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
