// Points as columns: what processors and kernels work on.
//
//   values      row-major float32, n × dims: row i is values[i·dims … (i+1)·dims)   (input units, not scaled)
//   weights     n, ≥ 0, 1 when the record gave none
//   timestamps  n, event time in milliseconds (the point's own, else the record's)
//   offsets     n, the source record's offset, rising
//   keys        in `records`: row i of the points is row sourceRows[i] of the record batch (bad records leave no row)
//
// A batch is reused: it belongs to its decoder again as soon as `process` returns.

import type { RecordBatch } from './record-batch.ts';

export interface PointBatch {
  readonly partition: number;
  readonly n: number;
  readonly dims: number;
  /** Names in vector order, empty when points are plain vectors. */
  readonly features: readonly string[];
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly timestamps: Float64Array;
  readonly offsets: Float64Array;
  readonly sourceRows: Int32Array;
  readonly records: RecordBatch;
  /** The offset range of the records this came from, dead letters included: [fromOffset, nextOffset). */
  readonly fromOffset: number;
  readonly nextOffset: number;
}
