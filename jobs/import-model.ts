// A clustering made elsewhere becomes a version: a candidate like any other, that can be promoted, exported and rolled back.
//
// 1. It must fit the stream: as many dimensions, the metric and the names of the current model.
// 2. Every point of the log is looked at once, in its space: weights, sums of squares and distances of the version come from there,
//    and so does the comparison with the current model. Without a log they come from the file.
// 3. Ids: a cluster that has the points of one of the current model's keeps its id (as after a retrain); others are minted.
// 4. It is published with the origin `import`; promoted only when asked for.

import type { Broker } from '../broker/index.ts';
import {
  Assigner,
  chooseKernels,
  clusteringQuality,
  defaultHalfLife,
  distanceBin,
  distanceBins,
  type HalfLife,
  matchClusters,
  type PointSpace,
} from '../clustering/index.ts';
import type { Model } from '../schemas/index.ts';
import { type Clock, InvalidSettingError } from '../support/index.ts';
import { ModelFollower } from './model-follower.ts';
import { claimVersion, releaseVersion } from './publish-version.ts';
import { type DecodePoints, type PlannedRange, planRanges, pointsOf, recordsIn } from './replay.ts';

/** Centroids in input units, and what the maker knows of them. */
export interface ModelToImport extends PointSpace {
  readonly k: number;
  readonly dims: number;
  readonly features: readonly string[];
  /** k × dims. */
  readonly centroids: Float64Array;
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  readonly weights: Float64Array | undefined;
  readonly sumSquares: Float64Array | undefined;
}

export interface ImportOptions {
  readonly broker: Broker;
  readonly group: string;
  readonly model: ModelToImport;
  readonly promote: boolean;
  readonly requestedBy: string;
  readonly reason: string;
  readonly seed: number;
  readonly codeVersion: string;
  readonly decode: DecodePoints;
  readonly clock: Clock;
  readonly onProgress?: (records: number, of: number) => void;
  readonly promotionWaitMsMax?: number;
}

export interface ImportReport {
  readonly version: string;
  /** The model it was compared with; null when it is the first. */
  readonly parent: string | null;
  readonly k: number;
  readonly dimensions: number;
  /** Points of the log it was measured on. */
  readonly points: number;
  /** Mean squared distance of these points, in the imported model's space; null without points. */
  readonly meanSquaredDistance: number | null;
  readonly parentMeanSquaredDistance: number | null;
  readonly clusterIds: readonly string[];
  readonly idsKept: number;
  readonly promoted: boolean;
}

/** Points that a cluster counts as when neither the log nor the file says: the half-life it has by default. */
const assumedPoints = defaultHalfLife(1).value;

/** @throws InvalidSettingError for a model that does not fit the stream */
export async function importModel(options: ImportOptions): Promise<ImportReport> {
  const { broker, model: given } = options;
  const follower = await ModelFollower.open(broker);
  try {
    const parent = follower.registry.current();
    if (parent !== undefined) checkFits(given, parent);
    const seen = await lookAt(options, parent);
    const { clusterIds, nextClusterNumber, idsKept } = namesOf(given.k, parent, seen);
    const before = parent ?? { ...given, version: firstVersion };
    const version = await claimVersion({ ...options, follower, parent: before, k: given.k });
    const model = versionOf(options, seen, { version, parent, clusterIds, nextClusterNumber });
    await releaseVersion({ ...options, follower, model });
    return {
      ...{ version, parent: parent?.version ?? null, k: given.k, dimensions: given.dims },
      points: seen.points,
      meanSquaredDistance: seen.points > 0 ? model.quality.meanSquaredDistance : null,
      parentMeanSquaredDistance:
        seen.points > 0 && parent !== undefined ? seen.parentInertia / seen.weight : null,
      ...{ clusterIds, idsKept, promoted: options.promote },
    };
  } finally {
    await follower.close();
  }
}

/** Left to a stream that seeds a model of its own meanwhile. */
const firstVersion = '1.0.0';

function checkFits(given: ModelToImport, current: Model): void {
  const faults: string[] = [];
  const { dims, metric, missing, features } = current;
  if (given.dims !== dims) faults.push(`it has ${given.dims} dimensions, the stream has ${dims}`);
  if (given.metric !== metric) faults.push(`its metric is ${given.metric}, the stream's ${metric}`);
  if (given.missing !== missing) {
    faults.push(`its policy for missing values is ${given.missing}, the stream's ${missing}`);
  }
  const differ =
    given.features.length > 0 && features.length > 0 && given.features.join() !== features.join();
  if (differ)
    faults.push(
      `its features are ${given.features.join(', ')}, the stream's ${features.join(', ')}`,
    );
  if (faults.length === 0) return;
  throw new InvalidSettingError(
    `The model does not fit the current one, ${current.version}: ${faults.join('; ')}. Nothing was imported.`,
    { faults },
  );
}

/** What the log says of the model. */
interface Seen {
  readonly points: number;
  readonly weight: number;
  readonly weights: Float64Array;
  readonly sumSquares: Float64Array;
  readonly distanceHistogram: Float64Array;
  readonly labels: Int32Array;
  readonly parentLabels: Int32Array;
  readonly parentInertia: number;
  readonly ranges: readonly PlannedRange[];
}

async function lookAt(options: ImportOptions, parent: Model | undefined): Promise<Seen> {
  const { broker, group, model, decode, onProgress } = options;
  const { k } = model;
  const ranges = parent === undefined ? [] : await planRanges(broker, group);
  const total = recordsIn(ranges);
  const unknown = { weights: new Float64Array(k), sumSquares: new Float64Array(k) };
  const distanceHistogram = new Float64Array(k * distanceBins);
  const { kernels } = chooseKernels();
  const assigner = new Assigner({ ...model, ...unknown, distanceHistogram }, kernels);
  const { mean, scale, featureMeans } = model;
  const inSpace = parent && new Assigner({ ...parent, mean, scale, featureMeans }, kernels);
  const asIs = parent && new Assigner(parent, kernels);
  const { weights, sumSquares } = unknown;
  const labels = new Int32Array(total);
  const parentLabels = new Int32Array(total);
  let [points, weight, parentInertia, records] = [0, 0, 0, 0];
  for (const range of ranges) {
    const source = { broker, shape: parent!, decode };
    for await (const { points: batch, n, records: more } of pointsOf(range, source)) {
      assigner.assign(batch.values, n);
      inSpace!.assign(batch.values, n);
      asIs!.assign(batch.values, n);
      for (let row = 0; row < n; row += 1) {
        const label = assigner.labels[row]!;
        const distance = assigner.euclidean[row]!;
        const w = batch.weights[row]!;
        weights[label]! += w;
        sumSquares[label]! += w * distance * distance;
        distanceHistogram[label * distanceBins + distanceBin(distance)]! += w;
        parentInertia += w * inSpace!.euclidean[row]! ** 2;
        labels[points] = label;
        parentLabels[points] = asIs!.labels[row]!;
        weight += w;
        points += 1;
      }
      records += more;
      onProgress?.(records, total);
    }
  }
  return {
    ...{ points, weight, weights, sumSquares, distanceHistogram, parentInertia, ranges },
    labels: labels.subarray(0, points),
    parentLabels: parentLabels.subarray(0, points),
  };
}

function namesOf(k: number, parent: Model | undefined, { labels, parentLabels }: Seen) {
  let next = parent?.nextClusterNumber ?? 1;
  const mint = () => `c${next++}`;
  if (parent === undefined || labels.length === 0) {
    const clusterIds = Array.from({ length: k }, mint);
    return { clusterIds, nextClusterNumber: next, idsKept: 0 };
  }
  const { oldOf } = matchClusters({
    ...{ oldLabels: parentLabels, newLabels: labels },
    ...{ oldK: parent.k, newK: k },
  });
  const clusterIds = Array.from(oldOf, (old) => (old < 0 ? mint() : parent.clusterIds[old]!));
  const idsKept = oldOf.filter((old) => old >= 0).length;
  return { clusterIds, nextClusterNumber: next, idsKept };
}

interface Identity {
  readonly version: string;
  readonly parent: Model | undefined;
  readonly clusterIds: readonly string[];
  readonly nextClusterNumber: number;
}

function versionOf(options: ImportOptions, seen: Seen, identity: Identity): Model {
  const { model: given, seed, codeVersion, clock } = options;
  const { version, parent, clusterIds, nextClusterNumber } = identity;
  const { k, dims, metric, missing, featureMeans, centroids, mean, scale } = given;
  const statistics = seen.points > 0 ? seen : saidIn(given);
  const { meanSquaredDistance, imbalance } = clusteringQuality(statistics);
  const halfLife: HalfLife = parent?.halfLife ?? defaultHalfLife(k);
  return {
    ...{ version, parent: parent?.version ?? null, createdAtMs: clock.nowMs(), origin: 'import' },
    ...{ k, dims, metric, missing, featureMeans, seed, codeVersion },
    features: given.features.length > 0 ? given.features : (parent?.features ?? []),
    ...{ clusterIds, nextClusterNumber, centroids, mean, scale, reference: centroids },
    weights: statistics.weights,
    sumSquares: statistics.sumSquares,
    distanceHistogram: seen.distanceHistogram,
    offsets: Object.fromEntries(
      seen.ranges.map(({ partition, from, to }) => [partition, { from, to }]),
    ),
    deltaOffset: -1,
    quality: { meanSquaredDistance, imbalance },
    halfLife,
    landmarkMs: parent?.landmarkMs ?? -1,
  };
}

function saidIn({ k, weights, sumSquares }: ModelToImport) {
  return {
    weights: weights ?? new Float64Array(k).fill(assumedPoints),
    sumSquares: sumSquares ?? new Float64Array(k),
  };
}
