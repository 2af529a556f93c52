// A model version: what assign needs, what people read, and what lets it be recomputed.
//
// Centroids are in input units. The scaler is a diagonal metric, fixed for a generation (MAJOR.MINOR): points and
// centroids are divided by `scale` after `mean` is taken off, on the way into the kernel; distances are in that space.
// PATCH counts the deltas folded since the generation began, so a version number is a function of the log alone.

/** With cosine, points and centroids are unit vectors, and a distance is told as 1 − cos. */
export type Metric = 'euclidean' | 'cosine';
/** What a missing value means (clustering/missing-values.ts). */
export type MissingPolicy = 'reject' | 'mean' | 'partial';
export type ModelOrigin = 'bootstrap' | 'online' | 'retrain' | 'import' | 'rollback';

/** After how much a point counts half; a batch is a delta. Fixed for a generation (clustering/half-life.ts). */
export interface HalfLife {
  readonly unit: 'points' | 'batches' | 'ms';
  readonly value: number;
}

/** [from, to) of one `points` partition. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

export interface ModelQuality {
  /** Sum of squared distances of a point to its centroid, divided by the total weight (model space). */
  readonly meanSquaredDistance: number;
  /** k·Σw² / (Σw)²: 1 is perfectly even. */
  readonly imbalance: number;
}

/** Where a cluster of a retrained model comes from: ids of the parent whose points it took over (clustering/lineage.ts). */
export interface ClusterLineage {
  /** A split cluster took a part of one that went on in others; a merged one took in what was several. */
  readonly fate: 'survived' | 'split' | 'merged' | 'born';
  readonly from: readonly string[];
}

export interface Model {
  readonly version: string;
  readonly parent: string | null;
  readonly createdAtMs: number;
  readonly origin: ModelOrigin;
  readonly k: number;
  readonly dims: number;
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  /** dims: what a missing value becomes under `mean`; empty otherwise. */
  readonly featureMeans: Float64Array;
  readonly seed: number;
  /** Names of the features in vector order, or empty when points are plain vectors. */
  readonly features: readonly string[];
  /** Minted once, never reused, never an index: "c1", "c2", … */
  readonly clusterIds: readonly string[];
  /** The number of the next id to mint. */
  readonly nextClusterNumber: number;
  /** k × dims, input units, row-major. */
  readonly centroids: Float64Array;
  /** k: decayed weight (count of points) of each cluster. */
  readonly weights: Float64Array;
  /** k: decayed sum of squared distances to the centroid, model space. */
  readonly sumSquares: Float64Array;
  /** k × bins: decayed weight by distance (clustering/distance-histogram.ts says which bin is which). */
  readonly distanceHistogram: Float64Array;
  /** dims: scaler; zeros and ones when scaling is off. */
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  /** k × dims, input units: residual sums of this generation's deltas are about these points. */
  readonly reference: Float64Array;
  /** What this version has learned from: partition → range of `points`. */
  readonly offsets: Readonly<Record<string, OffsetRange>>;
  /** Next offset of `centroid-deltas` after what is folded in; −1 for a candidate. */
  readonly deltaOffset: number;
  readonly quality: ModelQuality;
  readonly halfLife: HalfLife;
  /** Where event time stands: weights in deltas made against this version begin as of here. -1 without event time. */
  readonly landmarkMs: number;
  /** k, of a retrained version; else empty. */
  readonly lineage?: readonly ClusterLineage[];
  /** What else its making depended on, as text by name: with range, seed, k and parent, enough to make it again. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly codeVersion: string;
}

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

export function parseVersion(text: string): Version {
  const [major, minor, patch] = text.split('.').map(Number);
  return { major: major!, minor: minor!, patch: patch! };
}

export function formatVersion({ major, minor, patch }: Version): string {
  return `${major}.${minor}.${patch}`;
}

/** The part of a version that fixes ids, scaler and reference: MAJOR.MINOR. */
export function generationOf(version: string): string {
  return version.slice(0, version.lastIndexOf('.'));
}

export function compareVersions(a: string, b: string): number {
  const x = parseVersion(a);
  const y = parseVersion(b);
  return x.major - y.major || x.minor - y.minor || x.patch - y.patch;
}

/** The next generation after all that are known: MAJOR when the shape of the model changes, else MINOR. */
export function nextGeneration(
  current: Pick<Model, 'version' | 'k' | 'dims' | 'metric'>,
  next: Pick<Model, 'k' | 'dims' | 'metric'>,
  known: Iterable<string>,
): string {
  const versions = [...known, current.version].map(parseVersion);
  const { k, dims, metric } = current;
  if (k !== next.k || dims !== next.dims || metric !== next.metric) {
    return `${Math.max(...versions.map(({ major }) => major)) + 1}.0`;
  }
  const { major } = parseVersion(current.version);
  const minors = versions.filter((version) => version.major === major).map(({ minor }) => minor);
  return `${major}.${Math.max(...minors) + 1}`;
}
