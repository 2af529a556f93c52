// Retrain: replay a fixed offset range of `points`, fit scaler and full-batch k-means, publish the version, ask for promotion.
//
// 1. Read the current model; fix the range per partition (log start … committed offset).
// 2. Replay it into memory; fit in a worker thread. One run begins at the parent's centroids, so that the result is no worse
//    than what it replaces. Same range, seed, k and parent: the same bits.
// 3. Label the points with both models; carry ids over (Hungarian method on the co-assignments), mint the others.
// 4. Compare both in the candidate's space: mean squared distance of the same points.
// 5. Publish under its version; when it is no worse (or nothing is there to compare with), command its promotion and wait
//    until the owner has published it as current. Assign tasks take it with their next transaction.

import type { Append, Broker } from '../broker/index.ts';
import {
  Assigner,
  chooseKernels,
  clusteringQuality,
  lineageOf,
  matchClusters,
  originsOf,
} from '../clustering/index.ts';
import type { Model, PointShape } from '../schemas/index.ts';
import { type Clock, InvalidSettingError, type Logger, type Metrics } from '../support/index.ts';
import { type Fit, type FitOutput, fitInWorker } from './fit.ts';
import { ModelFollower } from './model-follower.ts';
import { nextVersion, releaseVersion } from './publish-version.ts';
import {
  type DecodePoints,
  type PlannedRange,
  planRanges,
  type ReplayedPoints,
  replayPoints,
} from './replay.ts';

export interface RetrainOptions {
  readonly broker: Broker;
  /** The consumer group whose committed offsets end the range: the application id. */
  readonly group: string;
  /** Default: the current model's. */
  readonly k?: number | undefined;
  readonly seed: number;
  /** Never with cosine: metric and missing values are the parent's. */
  readonly scaling: boolean;
  /** Publish as a candidate only, when false. */
  readonly promote: boolean;
  /** Not promoted at once: set beside the champion, where live points decide. */
  readonly gate?: boolean | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  readonly codeVersion: string;
  readonly decode: DecodePoints;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  readonly fit?: Fit | undefined;
  readonly onProgress?: (progress: RetrainProgress) => void;
  readonly promotionWaitMsMax?: number | undefined;
  /** How version and promotion reach the log; see publish-version.ts. */
  readonly write?: ((appends: readonly Append[]) => Promise<void>) | undefined;
  /** Aborted: nothing is published any more. */
  readonly signal?: AbortSignal | undefined;
}

export type RetrainProgress =
  | { readonly phase: 'replay'; readonly records: number; readonly of: number }
  | {
      readonly phase: 'fit';
      /** Above `runs`: the best of them is tried with a centroid elsewhere. */
      readonly run: number;
      readonly runs: number;
      readonly iteration: number;
      readonly inertia: number;
    };

export interface RetrainReport {
  readonly version: string;
  readonly parent: string;
  readonly points: number;
  readonly ranges: readonly PlannedRange[];
  /** Σ squared distance to the nearest centroid over the replayed points, in the candidate's space. */
  readonly inertia: number;
  readonly parentInertia: number;
  readonly iterations: number;
  readonly idsKept: number;
  readonly durationMs: number;
  readonly promoted: boolean;
  /** It is scored beside the champion now. */
  readonly shadow?: boolean;
}

const fitRuns = 2;

export async function runRetrain(options: RetrainOptions): Promise<RetrainReport> {
  const startedMs = options.clock.monotonicMs();
  const follower = await ModelFollower.open(options.broker);
  try {
    const report = await retrain(options, follower);
    const durationMs = options.clock.monotonicMs() - startedMs;
    options.metrics?.retrainRuns.inc({ outcome: report.promoted ? 'promoted' : 'candidate' });
    options.metrics?.retrainDuration.set(durationMs / 1000);
    return { ...report, durationMs };
  } catch (error) {
    options.metrics?.retrainRuns.inc({ outcome: 'failed' });
    throw error;
  } finally {
    await follower.close();
  }
}

async function retrain(
  options: RetrainOptions,
  follower: ModelFollower,
): Promise<Omit<RetrainReport, 'durationMs'>> {
  const { broker } = options;
  const parent = follower.registry.current();
  if (parent === undefined) {
    throw new InvalidSettingError(
      'There is no model to retrain yet. Produce points and let the stream bootstrap its first one.',
    );
  }
  const ranges = await planRanges(broker, options.group);
  sayUncommitted(options, ranges);
  const points = await replay(options, ranges, parent);
  const fit = await fitPoints(options, points, parent);
  await follower.catchUp();
  const version = nextVersion(parent, fit.weights.length, follower.registry);
  const { model, idsKept } = candidate({ options, parent, ranges, points, fit, version });
  const { mean, scale, featureMeans } = model;
  // Both by the same arithmetic: rounding must not decide which is better.
  const inertia = inertiaUnder(model, points);
  const parentInertia = inertiaUnder({ ...parent, mean, scale, featureMeans }, points);
  const shadow = options.promote && options.gate === true;
  const promoted = options.promote && !shadow && inertia <= parentInertia;
  options.signal?.throwIfAborted();
  await releaseVersion({ ...options, follower, model, promote: promoted, shadow });
  const counts = { points: points.n, iterations: fit.iterations, idsKept };
  return {
    version,
    parent: parent.version,
    ranges,
    inertia,
    parentInertia,
    promoted,
    shadow,
    ...counts,
  };
}

export interface RefitOptions extends Pick<RetrainOptions, 'broker' | 'decode' | 'fit'> {
  /** The recorded candidate. */
  readonly made: Model;
  readonly parent: Model;
}

/** Makes a version again from what its record names: range, seed, k, parameters and parent. The same bits, if all is right. */
export async function refit({ made, parent, broker, decode, fit }: RefitOptions): Promise<Model> {
  const { seed, k, version, createdAtMs, codeVersion, offsets, parameters } = made;
  const options = {
    ...{ broker, decode, fit, seed, k, codeVersion },
    scaling: parameters?.scaling === 'standard',
  };
  const ranges = Object.entries(offsets).map(([partition, { from, to }]) => ({
    ...{ partition: Number(partition), from, to, committed: true },
  }));
  const points = await replay(options, ranges, parent);
  const fitted = await fitPoints(options, points, parent);
  const clock = { nowMs: () => createdAtMs };
  const parts = { options: { ...options, clock }, parent, ranges, points, fit: fitted, version };
  return candidate(parts).model;
}

function sayUncommitted({ logger, group }: RetrainOptions, ranges: readonly PlannedRange[]): void {
  const partitions = ranges.filter(({ committed }) => !committed).map(({ partition }) => partition);
  if (partitions.length === 0) return;
  logger.warn(
    { group, partitions },
    'the group has committed no position on these partitions of points; they are replayed to the end of the log',
  );
}

type ReplaySource = Pick<RetrainOptions, 'broker' | 'decode' | 'onProgress'>;

function replay(options: ReplaySource, ranges: readonly PlannedRange[], shape: PointShape) {
  const { broker, decode, onProgress } = options;
  return replayPoints({
    broker,
    ranges,
    shape,
    decode,
    onProgress: (records, of) => onProgress?.({ phase: 'replay', records, of }),
  });
}

function fitPoints(
  options: Pick<RetrainOptions, 'seed' | 'scaling' | 'k' | 'fit' | 'onProgress'>,
  points: ReplayedPoints,
  parent: Model,
): Promise<FitOutput> {
  const { seed, scaling, k = parent.k, fit: fitWith = fitInWorker, onProgress } = options;
  const { dims, metric, missing } = parent;
  const space = { metric, missing, scaling: scaling && metric !== 'cosine' };
  const initial = k === parent.k ? parent.centroids : undefined;
  return fitWith({ ...points, ...space, dims, k, seed, runs: fitRuns, initial }, (progress) =>
    onProgress?.({ phase: 'fit', runs: fitRuns, ...progress }),
  );
}

interface CandidateParts {
  readonly options: Pick<RetrainOptions, 'seed' | 'scaling' | 'codeVersion'> & {
    readonly clock: Pick<Clock, 'nowMs'>;
  };
  readonly parent: Model;
  readonly ranges: readonly PlannedRange[];
  readonly points: ReplayedPoints;
  readonly fit: FitOutput;
  readonly version: string;
}

function candidate(parts: CandidateParts): { model: Model; idsKept: number } {
  const { options, parent, ranges, points, fit, version } = parts;
  const k = fit.weights.length;
  const oldLabels = labelsUnder(parent, points);
  const labels = { oldLabels, newLabels: fit.labels, oldK: parent.k, newK: k };
  const match = matchClusters(labels);
  const { oldOf } = match;
  let next = parent.nextClusterNumber;
  const clusterIds = Array.from(oldOf, (old) => (old < 0 ? `c${next++}` : parent.clusterIds[old]!));
  const { meanSquaredDistance, imbalance } = clusteringQuality(fit);
  const model: Model = {
    version,
    parent: parent.version,
    createdAtMs: options.clock.nowMs(),
    origin: 'retrain',
    k,
    dims: parent.dims,
    metric: parent.metric,
    missing: parent.missing,
    featureMeans: fit.featureMeans,
    seed: options.seed,
    features: parent.features,
    clusterIds,
    nextClusterNumber: next,
    centroids: fit.centroids,
    weights: fit.weights,
    sumSquares: fit.sumSquares,
    distanceHistogram: fit.distanceHistogram,
    mean: fit.mean,
    scale: fit.scale,
    reference: fit.centroids,
    offsets: Object.fromEntries(ranges.map(({ partition, from, to }) => [partition, { from, to }])),
    deltaOffset: -1,
    quality: { meanSquaredDistance, imbalance },
    halfLife: parent.halfLife,
    landmarkMs: parent.landmarkMs,
    lineage: originsOf(lineageOf(labels, match)).map(({ fate, from }) => ({
      ...{ fate, from: from.map((old) => parent.clusterIds[old]!) },
    })),
    parameters: { scaling: options.scaling && parent.metric !== 'cosine' ? 'standard' : 'none' },
    codeVersion: options.codeVersion,
  };
  return { model, idsKept: oldOf.filter((old) => old >= 0).length };
}

const rowsPerBlock = 8_192;

function labelsUnder(model: Model, points: ReplayedPoints): Int32Array {
  const labels = new Int32Array(points.n);
  forEachBlock(model, points, (assigner, from, rows) => {
    labels.set(assigner.labels.subarray(0, rows), from);
  });
  return labels;
}

function inertiaUnder(model: Model, points: ReplayedPoints): number {
  let inertia = 0;
  forEachBlock(model, points, ({ euclidean }, from, rows) => {
    for (let row = 0; row < rows; row += 1) {
      inertia += points.weights[from + row]! * euclidean[row]! ** 2;
    }
  });
  return inertia;
}

function forEachBlock(
  model: Model,
  { values, n }: ReplayedPoints,
  visit: (assigner: Assigner, from: number, rows: number) => void,
): void {
  const assigner = new Assigner(model, chooseKernels().kernels);
  for (let from = 0; from < n; from += rowsPerBlock) {
    const rows = Math.min(rowsPerBlock, n - from);
    assigner.assign(values.subarray(from * model.dims, (from + rows) * model.dims), rows);
    visit(assigner, from, rows);
  }
}
