// safetensors (https://huggingface.co/docs/safetensors): 8 bytes little-endian length, a JSON header that says where each array
// lies, then the arrays, row-major little-endian. Ours holds the whole version, numbers in float64, so that it can be made a
// version again, the same to the last bit; what is no array of numbers stands in `__metadata__`, as JSON under `model`.

import type { Model } from '../schemas/index.ts';
import { InvalidModelFileError } from '../support/index.ts';
import { featureNames, provenance } from './export-space.ts';

export interface Safetensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly arrays: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly data: Float64Array }
  >;
}

const lengthBytes = 8;
const float64Bytes = 8;

export function encodeSafetensors(model: Model): Uint8Array {
  const { centroids, weights, sumSquares, distanceHistogram, ...others } = model;
  const { mean, scale, reference, featureMeans, ...rest } = others;
  const { k, dims } = rest;
  const bins = distanceHistogram.length / k;
  const arrays = [
    { name: 'centroids', shape: [k, dims], data: centroids },
    { name: 'weights', shape: [k], data: weights },
    { name: 'sum_squares', shape: [k], data: sumSquares },
    { name: 'distance_histogram', shape: [k, bins], data: distanceHistogram },
    { name: 'mean', shape: [dims], data: mean },
    { name: 'scale', shape: [dims], data: scale },
    { name: 'reference', shape: [k, dims], data: reference },
    { name: 'feature_means', shape: [featureMeans.length], data: featureMeans },
  ];
  const header: Record<string, unknown> = {
    __metadata__: {
      ...provenance(model),
      clusterIds: JSON.stringify(model.clusterIds),
      features: JSON.stringify(featureNames(model)),
      model: JSON.stringify(Object.fromEntries(Object.entries(rest).toSorted(byName))),
    },
  };
  let end = 0;
  for (const { name, shape, data } of arrays) {
    const begin = end;
    end += data.length * float64Bytes;
    header[name] = { dtype: 'F64', shape, data_offsets: [begin, end] };
  }
  // The arrays begin at a multiple of their width: readers may map the file.
  const text = JSON.stringify(header);
  const headerBytes = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const bytes = new Uint8Array(lengthBytes + headerBytes.length + end);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(headerBytes.length), true);
  bytes.set(headerBytes, lengthBytes);
  let at = lengthBytes + headerBytes.length;
  for (const { data } of arrays) {
    for (const value of data) {
      view.setFloat64(at, value, true);
      at += float64Bytes;
    }
  }
  return bytes;
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1);

const arrayNames = {
  centroids: 'centroids',
  weights: 'weights',
  sumSquares: 'sum_squares',
  distanceHistogram: 'distance_histogram',
  mean: 'mean',
  scale: 'scale',
  reference: 'reference',
  featureMeans: 'feature_means',
} satisfies Partial<Record<keyof Model, string>>;

/**
 * The version that `encodeSafetensors` wrote.
 * @throws InvalidModelFileError for another file, also for one of a release that did not write all of a version
 */
export function decodeVersion(bytes: Uint8Array): Model {
  const { metadata, arrays } = decodeSafetensors(bytes);
  const { model = '' } = metadata;
  const lacks = Object.values(arrayNames).filter((name) => !arrays.has(name));
  if (model === '') lacks.push('model');
  if (lacks.length > 0) {
    const text = `This safetensors file is no whole version: it lacks ${lacks.join(', ')}.`;
    throw new InvalidModelFileError(text);
  }
  const columns = Object.entries(arrayNames).map(([field, name]) => [
    field,
    arrays.get(name)!.data,
  ]);
  return { ...JSON.parse(model), ...Object.fromEntries(columns) } as Model;
}

/**
 * Numbers of any of the widths below, as float64.
 * @throws InvalidModelFileError for bytes that are no such file
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = lengthBytes + Number(view.getBigUint64(0, true));
  const { __metadata__: metadata, ...entries } = headerIn(bytes.subarray(lengthBytes, start));
  const arrays = new Map<string, { shape: readonly number[]; data: Float64Array }>();
  for (const [name, { dtype, shape, data_offsets: range }] of Object.entries(
    entries as Readonly<Record<string, Entry>>,
  )) {
    const width = widths[dtype];
    if (width === undefined) {
      throw new InvalidModelFileError(`"${name}" is ${dtype}; write it as F64.`);
    }
    const [begin, end] = [start + range[0], start + range[1]];
    const n = shape.reduce((product, size) => product * size, 1);
    if (begin < start || end > bytes.length || end - begin !== n * width.bytes) {
      throw new InvalidModelFileError(`"${name}" does not lie where the header says.`);
    }
    const read = (_: number, i: number) => width.read(view, begin + i * width.bytes);
    arrays.set(name, { shape, data: new Float64Array(n).map(read) });
  }
  return { metadata: metadata ?? {}, arrays };
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

interface Header extends Readonly<Record<string, Entry | Record<string, string> | undefined>> {
  readonly __metadata__?: Record<string, string>;
}

const widths: Readonly<
  Record<string, { readonly bytes: number; read(view: DataView, at: number): number }>
> = {
  F64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  I64: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  I32: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
};

function headerIn(bytes: Uint8Array): Header {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Header;
  } catch (cause) {
    throw new InvalidModelFileError('The header of this safetensors file cannot be read.', {
      cause,
    });
  }
}
