// Where a full-batch fit reads its points: any run of rows, as often as it likes. A source is plain data, so that it can be
// handed to another thread, and is opened there. Today rows are in memory; a source on disk is one more case in openBlocks.

/** Opened by one thread. */
export interface PointBlocks {
  readonly n: number;
  readonly dims: number;
  /** Rows from ≤ row < to, row-major, scaled; valid until the next call. */
  values(from: number, to: number): Float32Array;
  /** Their weights; undefined when each is 1. */
  weights(from: number, to: number): Float32Array | undefined;
}

/** Columns in memory: shared between threads where they are on a SharedArrayBuffer. */
export interface MemorySource {
  readonly type: 'memory';
  readonly n: number;
  readonly dims: number;
  readonly values: Float32Array;
  readonly weights: Float32Array | undefined;
}

export type PointSource = MemorySource;

export function openBlocks({ n, dims, values, weights }: PointSource): PointBlocks {
  return {
    n,
    dims,
    values: (from, to) => values.subarray(from * dims, to * dims),
    weights: (from, to) => weights?.subarray(from, to),
  };
}

/** The same points where every thread can read them: as they are when shared already, else copied once. */
export function sharedSource(source: PointSource): PointSource {
  const { values, weights } = source;
  return { ...source, values: shared(values), weights: weights && shared(weights) };
}

function shared(column: Float32Array): Float32Array {
  if (column.buffer instanceof SharedArrayBuffer) return column;
  const copy = new Float32Array(new SharedArrayBuffer(column.byteLength));
  copy.set(column);
  return copy;
}
