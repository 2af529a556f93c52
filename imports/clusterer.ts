// A clustering in a file, as scikit-learn knows it or as `meanstream models export` wrote it, made into centroids in input units.
//
//   cluster_centers  k × dims   KMeans().cluster_centers_, in the space after the scaler
//   mean, scale      dims       StandardScaler().mean_ and scale_ of a Pipeline; without them nothing is scaled
//   counts           k          points each centre was made from; for k-means that goes on learning, their weight
//   inertia          one        KMeans().inertia_: Σ squared distance of those points
//   features         dims       names in vector order
//
// Ours holds centroids in input units (`centroids`) and everything else of a version.

import type { Metric, MissingPolicy } from '../schemas/index.ts';
import { InvalidModelFileError } from '../support/index.ts';
import { type NamedArrays, readNamedArrays } from './named-arrays.ts';
import type { NamedArray } from './npy.ts';

export interface ImportedClusterer {
  readonly source: 'scikit-learn' | 'meanstream';
  readonly k: number;
  readonly dims: number;
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly featureMeans: Float64Array;
  readonly features: readonly string[];
  /** k × dims, input units. */
  readonly centroids: Float64Array;
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  /** k: points by cluster; undefined when the file does not say. */
  readonly weights: Float64Array | undefined;
  /** k, model space; undefined when the file does not say. */
  readonly sumSquares: Float64Array | undefined;
}

const names = ['cluster_centers', 'mean', 'scale', 'counts', 'inertia', 'features'];

/** @throws MeanstreamError MEANSTREAM_INVALID_MODEL_FILE saying what is wrong with the file */
export function readClusterer(bytes: Uint8Array): ImportedClusterer {
  const file = readNamedArrays(bytes);
  return file.arrays.has('centroids') ? ofOurs(file) : ofScikitLearn(file);
}

function ofScikitLearn({ arrays }: NamedArrays): ImportedClusterer {
  const unknown = [...arrays.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new InvalidModelFileError(`"${unknown}" is not known; there are ${names.join(', ')}.`);
  }
  const centers = arrays.get('cluster_centers');
  if (centers?.data === undefined || centers.shape.length !== 2) {
    throw new InvalidModelFileError(
      '"cluster_centers" is missing or no matrix: one row for each cluster.',
    );
  }
  const [k, dims] = centers.shape as [number, number];
  if (k < 1 || dims < 1) throw new InvalidModelFileError('"cluster_centers" is empty.');
  const mean = column(arrays, 'mean', dims) ?? new Float64Array(dims);
  const scale = column(arrays, 'scale', dims) ?? new Float64Array(dims).fill(1);
  checkScale(scale);
  const weights = column(arrays, 'counts', k);
  if (weights?.some((count) => count < 0))
    throw new InvalidModelFileError('"counts" has a number below 0.');
  const inertia = column(arrays, 'inertia', 1)?.[0];
  return {
    ...{ source: 'scikit-learn', k, dims, metric: 'euclidean', missing: 'reject' },
    featureMeans: new Float64Array(0),
    features: namesIn(arrays, dims),
    centroids: finite(
      'cluster_centers',
      centers.data.map((value, i) => value * scale[i % dims]! + mean[i % dims]!),
    ),
    ...{ mean, scale, weights },
    sumSquares: weights && inertia !== undefined ? shared(inertia, weights) : undefined,
  };
}

function ofOurs({ arrays, metadata }: NamedArrays): ImportedClusterer {
  const [k, dims] = arrays.get('centroids')!.shape as [number, number];
  const { metric = 'euclidean', missing = 'reject' } = metadata;
  if (metric !== 'euclidean' && metric !== 'cosine')
    throw new InvalidModelFileError(`Metric ${metric} is not known.`);
  if (missing !== 'reject' && missing !== 'mean' && missing !== 'partial') {
    throw new InvalidModelFileError(`Missing policy ${missing} is not known.`);
  }
  const scale = needed(arrays, 'scale', dims);
  checkScale(scale);
  return {
    ...{ source: 'meanstream', k, dims, metric, missing },
    featureMeans: missing === 'mean' ? needed(arrays, 'feature_means', dims) : new Float64Array(0),
    features: ourFeatures(metadata.features, dims),
    centroids: needed(arrays, 'centroids', k * dims),
    mean: needed(arrays, 'mean', dims),
    scale,
    weights: needed(arrays, 'weights', k),
    sumSquares: needed(arrays, 'sum_squares', k),
  };
}

function column(
  arrays: ReadonlyMap<string, NamedArray>,
  name: string,
  length: number,
): Float64Array | undefined {
  const array = arrays.get(name);
  if (array === undefined) return undefined;
  if (array.data?.length !== length) {
    throw new InvalidModelFileError(
      `"${name}" must have ${length === 1 ? 'one number' : `${length} numbers`}.`,
    );
  }
  return finite(name, array.data);
}

function needed(arrays: ReadonlyMap<string, NamedArray>, name: string, length: number) {
  const found = column(arrays, name, length);
  if (found !== undefined) return found;
  throw new InvalidModelFileError(`"${name}" is missing.`);
}

function namesIn(arrays: ReadonlyMap<string, NamedArray>, dims: number): readonly string[] {
  const features = arrays.get('features');
  if (features === undefined) return [];
  const { texts } = features;
  if (texts?.length === dims && new Set(texts).size === dims) return texts;
  throw new InvalidModelFileError(`"features" must be ${dims} different names.`);
}

/** Ours writes x1, x2, … where there are no names. */
function ourFeatures(text: string | undefined, dims: number): readonly string[] {
  const features = JSON.parse(text ?? '[]') as string[];
  const isMadeUp = features.every((name, d) => name === `x${d + 1}`);
  return isMadeUp || features.length !== dims ? [] : features;
}

function checkScale(scale: Float64Array): void {
  if (!scale.every((value) => value > 0)) {
    throw new InvalidModelFileError('"scale" has a number that is not above 0.');
  }
}

function finite(name: string, numbers: Float64Array): Float64Array {
  if (numbers.every((value) => Number.isFinite(value))) return numbers;
  throw new InvalidModelFileError(`"${name}" has a number that is not finite.`);
}

/** A total over all points, given to clusters by their weight. */
function shared(total: number, weights: Float64Array): Float64Array {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => (sum > 0 ? (total * weight) / sum : 0));
}
