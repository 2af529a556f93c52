// The contract of a kernel set: a few functions over flat arrays, no closures, no allocation per call. Every set gives the
// same labels, distances and sums to the last bit (dots alone are only near): distances are float64 sums of squared
// differences of float32 data in four lanes, feature d in lane d mod 4, added up as (0 + 1) + (2 + 3), and rounded to
// float32. Equal distances go to the lowest index. A row's answer does not depend on the rows around it.

/** Centroids as one kernel set wants them. Made once per model, valid for the set that made it. */
export interface CentroidPanels {
  readonly k: number;
  readonly dims: number;
  /** k × dims, row-major, scaled: a copy. */
  readonly centroids: Float32Array;
  readonly packed: Float32Array;
  /** Which set may read `packed`. */
  readonly layout: string;
}

export interface Kernels {
  readonly name: 'reference' | 'wasm' | 'native';
  /** The name, and the instruction set where there are several. */
  readonly layout: string;

  /** @param centroids k × dims, row-major, already scaled; not needed afterwards. */
  prepare(centroids: Float32Array, k: number, dims: number): CentroidPanels;

  /**
   * The nearest centroid of each point, squared Euclidean. @param points n × dims, scaled. @param labels out, n.
   * @param distances out, n: squared. Without them it is faster.
   */
  nearest(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    distances?: Float32Array,
  ): void;

  /**
   * The nearest and second-nearest centroid of each point.
   * @param labels out, n: index of the nearest. @param nearest out, n: its squared distance.
   * @param second out, n: squared distance of the runner-up; Infinity when k is 1.
   */
  nearestTwo(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    nearest: Float32Array,
    second: Float32Array,
  ): void;

  /**
   * Adds each row to its cluster's sums, one row after the other: Σw, Σw·(x − r), Σw·‖(x − r)·inverseScale‖².
   * @param weights n, or 1 each. @param labels n, below k. @param basis what residuals are about. @param sums in and out.
   */
  accumulate(
    values: Float32Array,
    weights: Float32Array | undefined,
    labels: Int32Array,
    n: number,
    basis: ResidualBasis,
    sums: ClusterSums,
  ): void;

  /** `nearest` and `accumulate` over the same points, in one pass. */
  assignAccumulate(
    points: Float32Array,
    weights: Float32Array | undefined,
    n: number,
    panels: CentroidPanels,
    reference: Float64Array,
    labels: Int32Array,
    sums: ClusterSums,
  ): void;

  /** Squared distances of n points to m others, unrounded. @param out n × m. */
  pairwise(
    points: Float32Array,
    n: number,
    others: Float32Array,
    m: number,
    dims: number,
    out: Float64Array,
  ): void;

  /** Inner products in float32, off by at most (dims + 2)·2⁻²⁴·Σ|x·c|. @param out n × k. */
  dots(points: Float32Array, n: number, panels: CentroidPanels, out: Float32Array): void;

  /** (value − mean) / scale, clamped to ±limit. @param out n × dims. */
  scalePoints(
    values: Float32Array,
    n: number,
    dims: number,
    scaling: Scaling,
    limit: number,
    out: Float32Array,
  ): void;

  /** Where the set has its own; else those of bounds.ts serve. */
  readonly bounds?: BoundKernels;

  /** Where the set has its own; else those of stream.ts serve. */
  readonly stream?: StreamKernels;
}

export interface Scaling {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

export interface ResidualBasis {
  readonly k: number;
  readonly dims: number;
  /** k × dims. */
  readonly reference: Float64Array;
  /** dims; without it 1 each. */
  readonly inverseScale?: Float64Array | undefined;
}

/** Sums of k clusters: three views of one column. */
export interface ClusterSums {
  readonly column: Float64Array;
  /** k: Σw. */
  readonly weights: Float64Array;
  /** k × dims: Σw·(x − r). */
  readonly residuals: Float64Array;
  /** k: Σw·‖(x − r)·inverseScale‖². */
  readonly squares: Float64Array;
}

export function clusterSums(k: number, dims: number): ClusterSums {
  const column = new Float64Array(k * (dims + 2));
  return {
    column,
    weights: column.subarray(0, k),
    residuals: column.subarray(k, k + k * dims),
    squares: column.subarray(k + k * dims),
  };
}

/** Of each point: u ≥ its distance to its centroid, l ≤ its distance to every other. */
export interface Bounds {
  readonly upper: Float32Array;
  readonly lower: Float32Array;
}

/** What the centroids did since the bounds were true. */
export interface Moves {
  /** k each: how far it went, and half the way from it to the nearest other one. */
  readonly drift: Float64Array;
  readonly half: Float64Array;
  /** The centroid that went furthest, how far, and how far the others went at most. */
  readonly most: number;
  readonly largest: number;
  readonly others: number;
}

/** What pruned full-batch iterations need beside the kernels; bounds.ts says why it is exact. */
export interface BoundKernels {
  /** The nearest centroid of each point, and bounds: how tight is up to the set. @param labels and @param bounds out, n. */
  nearestBounds(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    bounds: Bounds,
  ): void;

  /**
   * Moves the bounds, and makes the upper one tight where it does not prove the label.
   * @param unproven out: rows whose label is still not proven. @param gathered out: their points. @returns how many
   */
  proveLabels(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    bounds: Bounds,
    moves: Moves,
    unproven: Int32Array,
    gathered: Float32Array,
  ): number;

  /** Each row whose label changed leaves the sums of `before`, then enters those of `after`. */
  transfer(
    values: Float32Array,
    weights: Float32Array | undefined,
    before: Int32Array,
    after: Int32Array,
    n: number,
    basis: ResidualBasis,
    sums: ClusterSums,
  ): void;

  /** Squared distances to the centroids of the labels, unrounded. @param out n. */
  ownSquares(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    out: Float64Array,
  ): void;
}

/** n each. */
export interface AnswerColumns {
  readonly labels: Int32Array;
  /** In: the nearest squared distance. Out: its root. */
  readonly euclidean: Float32Array;
  /** Squared distance of the runner-up. */
  readonly second: Float32Array;
  /** Out: as they are told; the very column `euclidean` unless the metric is cosine. */
  readonly distances: Float32Array;
  readonly margins: Float32Array;
  readonly outlierScores: Float32Array;
}

/** What every batch of the stream needs beside the nearest centroids. Every set gives the same bits. */
export interface StreamKernels {
  /** @param totals running totals of the clusters' distances, k × (bins + 1); see distance-histogram.ts. */
  answer(n: number, k: number, cosine: boolean, totals: Float64Array, columns: AnswerColumns): void;

  /** Adds each feature and its square, one row after the other. @param sums and @param squares in and out, dims. */
  addFeatures(
    points: Float32Array,
    n: number,
    dims: number,
    sums: Float64Array,
    squares: Float64Array,
  ): void;

  /** The rows whose offset is a multiple of `every`. @param out n × dims. @returns how many */
  gatherEvery(
    points: Float32Array,
    offsets: Float64Array,
    n: number,
    dims: number,
    every: number,
    out: Float32Array,
  ): number;

  /**
   * Adds the weights of the rows from ≤ row < n to the distance histograms of their clusters, up to the first row that may be
   * a candidate, that one included: 1 − u < rank · weight · distance², u a number in (0, 1) from offset and salt.
   * @param histogram in and out, k × bins. @returns that row, or n
   */
  tally(
    weights: Float32Array,
    labels: Int32Array,
    distances: Float32Array,
    offsets: Float64Array,
    from: number,
    n: number,
    salt: number,
    rank: number,
    histogram: Float64Array,
  ): number;
}
