// How many clusters? Replay a fixed offset range of `points` into a coreset, score every K on it, recommend one with reasons.
//
// 1. Fix the range per partition, as a retrain does (log start … committed offset).
// 2. Replay it batch by batch, in the current model's space (metric, missing values, scaler), into one weighted coreset per
//    partition: memory does not grow with the log.
// 3. Merge and reduce them to one coreset; score K = 1 … kMax on it in a worker thread (clustering/k-selection.ts).
//
// The same range, seed and kMax give the same answer.

import { Worker } from 'node:worker_threads';
import type { Broker } from '../broker/index.ts';
import {
  type Coreset,
  CoresetBuilder,
  chooseKernels,
  intoModelSpace,
  type KRecommendation,
  mergeCoresets,
  recommendK,
  reduceCoreset,
} from '../clustering/index.ts';
import type { Model } from '../schemas/index.ts';
import { type Clock, InvalidSettingError } from '../support/index.ts';
import { ModelFollower } from './model-follower.ts';
import { type DecodePoints, type PlannedRange, planRanges, pointsOf, recordsIn } from './replay.ts';

export interface RecommendKOptions {
  readonly broker: Broker;
  /** The consumer group whose committed offsets end the range: the application id. */
  readonly group: string;
  /** The largest K to look at; at least 2. */
  readonly kMax: number;
  readonly seed: number;
  readonly decode: DecodePoints;
  readonly clock: Clock;
  readonly onProgress?: (progress: RecommendKProgress) => void;
  readonly score?: Score;
}

export interface RecommendKProgress {
  readonly records: number;
  readonly of: number;
}

export interface KReport extends KRecommendation {
  /** The version whose scaler the points were measured with, and its k. */
  readonly modelVersion: string;
  readonly currentK: number;
  readonly kMax: number;
  readonly seed: number;
  readonly ranges: readonly PlannedRange[];
  /** Points replayed, and the points of the coreset that stood for them. */
  readonly points: number;
  readonly coresetPoints: number;
  readonly durationMs: number;
}

export interface ScoreInput {
  readonly coreset: Pick<Coreset, 'values' | 'weights' | 'n' | 'dims'>;
  readonly kMax: number;
  readonly seed: number;
}

export type Score = (input: ScoreInput) => Promise<KRecommendation>;

/** Enough for K up to `kMaxMax` at some forty points a cluster; a few hundred milliseconds to score. */
const coresetSize = 4_000;

/** @throws InvalidSettingError when there is no model yet, or nothing to replay. */
export async function runRecommendK(options: RecommendKOptions): Promise<KReport> {
  const { broker, group, kMax, seed, clock, score = scoreInWorker } = options;
  const startedMs = clock.monotonicMs();
  const model = await currentModel(broker);
  const ranges = await planRanges(broker, group);
  const coreset = await replayToCoreset(options, model, ranges);
  const { values, weights, n, dims } = coreset;
  const recommendation = await score({ coreset: { values, weights, n, dims }, kMax, seed });
  return {
    ...recommendation,
    ...{ modelVersion: model.version, currentK: model.k, kMax, seed, ranges },
    ...{ points: coreset.points, coresetPoints: n },
    durationMs: clock.monotonicMs() - startedMs,
  };
}

async function currentModel(broker: Broker): Promise<Model> {
  const follower = await ModelFollower.open(broker);
  await follower.close();
  const model = follower.registry.current();
  if (model !== undefined) return model;
  throw new InvalidSettingError(
    'There is no model yet, and so no scale to measure distances in. Produce points and let the stream bootstrap its first one.',
  );
}

async function replayToCoreset(
  options: RecommendKOptions,
  model: Model,
  ranges: readonly PlannedRange[],
): Promise<Coreset> {
  const of = recordsIn(ranges);
  let records = 0;
  let whole: Coreset | undefined;
  for (const range of ranges) {
    const part = await coresetOf(range, options, model, (more) => {
      records += more;
      options.onProgress?.({ records, of });
    });
    if (part !== undefined) whole = whole === undefined ? part : mergeCoresets(whole, part);
  }
  if (whole !== undefined) return reduceCoreset(whole, { size: coresetSize, seed: options.seed });
  throw new InvalidSettingError(
    'There are no points to look at: the points topic has no processed records. Produce points first.',
  );
}

async function coresetOf(
  range: PlannedRange,
  { broker, decode, seed }: RecommendKOptions,
  model: Model,
  onRecords: (records: number) => void,
): Promise<Coreset | undefined> {
  const { partition, from: firstOffset } = range;
  const { dims } = model;
  const builder = new CoresetBuilder(dims, { size: coresetSize, seed, partition, firstOffset });
  let scaled = new Float32Array(0);
  for await (const { points, n, records } of pointsOf(range, { broker, shape: model, decode })) {
    if (scaled.length < n * dims) scaled = new Float32Array(n * dims);
    intoModelSpace(points.values, n, model, scaled);
    builder.add(scaled, points.offsets, n, points.weights);
    onRecords(records);
  }
  return builder.coreset();
}

/** In the calling thread. */
export function scoreHere({ coreset, kMax, seed }: ScoreInput): KRecommendation {
  return recommendK({ ...coreset, kMax, seed, kernels: chooseKernels().kernels });
}

/** In a worker thread of its own, so that the process goes on serving. */
const scoreInWorker: Score = (input) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./recommend-k-worker.js', import.meta.url), {
      workerData: input,
    });
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`The scoring worker thread ended with ${code}.`)));
  });
