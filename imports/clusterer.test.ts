import { zipSync } from 'fflate';
import { expect, it } from 'vitest';
import { encodeSafetensors } from '../exports/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import { readClusterer } from './index.ts';

const utf8 = new TextEncoder();
const json = (value: object) => utf8.encode(JSON.stringify(value));
const refused = (says: RegExp) =>
  expect.objectContaining({
    code: 'MEANSTREAM_INVALID_MODEL_FILE',
    message: expect.stringMatching(says),
  });

/** An .npy of version 1, as NumPy writes it. */
function npy(descr: string, shape: string, numbers: Uint8Array, fortran = 'False'): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }`;
  const header = `${text.padEnd(117)}\n`;
  const start = Uint8Array.from([0x93, ...utf8.encode('NUMPY'), 1, 0, header.length, 0]);
  return Uint8Array.from([...start, ...utf8.encode(header), ...numbers]);
}

const float64 = (...numbers: number[]) => new Uint8Array(Float64Array.from(numbers).buffer);

it('takes centres from the space of their scaler back to input units', () => {
  const { centroids, mean, scale, weights, sumSquares, k, dims } = readClusterer(
    json({
      cluster_centers: [
        [0, 1],
        [-2, 0.5],
      ],
      mean: [10, 20],
      scale: [2, 4],
      counts: [30, 10],
      inertia: 8,
    }),
  );
  expect([k, dims]).toEqual([2, 2]);
  expect([...centroids]).toEqual([10, 24, 6, 22]);
  expect([[...mean], [...scale]]).toEqual([
    [10, 20],
    [2, 4],
  ]);
  expect([[...weights!], [...sumSquares!]]).toEqual([
    [30, 10],
    [6, 2],
  ]);
});

it('reads an .npz, packed or not, in the byte order, the layout and the width it was written in', () => {
  const bigEndian = new Uint8Array(16);
  new DataView(bigEndian.buffer).setFloat64(0, 3);
  new DataView(bigEndian.buffer).setFloat64(8, -4);
  const names = new Uint8Array(
    Uint32Array.from([...'ab', ...'c\0'].map((c) => c.codePointAt(0)!)).buffer,
  );
  const npz = zipSync({
    'cluster_centers.npy': npy('<f8', '2, 2', float64(1, 2, 3, 4), 'True'),
    'mean.npy': [npy('>f8', '2,', bigEndian), { level: 0 }],
    'scale.npy': npy('<f4', '2,', new Uint8Array(Float32Array.from([2, 1]).buffer)),
    'counts.npy': npy('<i8', '2,', new Uint8Array(BigInt64Array.from([5n, 7n]).buffer)),
    'inertia.npy': npy('<f8', '', float64(12)),
    'features.npy': npy('<U2', '2,', names),
  });
  const { centroids, weights, sumSquares, features } = readClusterer(npz);
  expect([...centroids]).toEqual([1 * 2 + 3, 3 - 4, 2 * 2 + 3, 4 - 4]);
  expect([...weights!]).toEqual([5, 7]);
  expect([...sumSquares!]).toEqual([5, 7]);
  expect(features).toEqual(['ab', 'c']);
});

it('reads back what was exported, to the last bit', () => {
  const model = modelOf([
    [1 / 3, -2],
    [4, Math.PI],
  ]);
  const read = readClusterer(encodeSafetensors(model));
  const { centroids, weights, sumSquares, mean, scale, metric, missing } = model;
  expect(read).toMatchObject({
    source: 'meanstream',
    k: 2,
    dims: 2,
    metric,
    missing,
    features: [],
  });
  expect([read.centroids, read.weights, read.sumSquares, read.mean, read.scale]).toEqual([
    centroids,
    weights,
    sumSquares,
    mean,
    scale,
  ]);
});

it('opens no pickle, whatever it stands in', () => {
  const objects = npy('|O', '2,', utf8.encode('cos\nsystem\n(S"true"\ntR.'));
  const npz = zipSync({
    'cluster_centers.npy': npy('<f8', '1, 2', float64(1, 2)),
    'mean.npy': objects,
  });
  expect(() => readClusterer(npz)).toThrow(refused(/"mean" holds Python objects/));
  expect(() => readClusterer(Uint8Array.from([0x80, 4, 0x95, 0]))).toThrow(refused(/pickle/));
});

it.each([
  ['nothing', new Uint8Array(0), /none of/],
  ['an ONNX graph', Uint8Array.from([8, 8, 18, 7]), /none of.*np\.savez/],
  ['half a ZIP', zipSync({ 'a.npy': npy('<f8', '1,', float64(1)) }).subarray(0, 60), /unpacked/],
  ['no centres', json({ mean: [1] }), /"cluster_centers" is missing/],
  ['a ragged matrix', json({ cluster_centers: [[1, 2], [3]] }), /equally long/],
  ['a misspelt name', json({ cluster_centres: [[1]] }), /"cluster_centres" is not known/],
  ['a mean of another length', json({ cluster_centers: [[1, 2]], mean: [1] }), /2 numbers/],
  ['a feature without spread', json({ cluster_centers: [[1]], scale: [0] }), /not above 0/],
  ['an array cut short', zipSync({ 'mean.npy': npy('<f8', '9,', float64(1)) }), /cut short/],
])('says what is wrong with %s', (_, bytes, says) => {
  expect(() => readClusterer(bytes)).toThrow(refused(says));
});

it('refuses numbers that are not finite', () => {
  const npz = zipSync({ 'cluster_centers.npy': npy('<f8', '1, 1', float64(Number.NaN)) });
  expect(() => readClusterer(npz)).toThrow(refused(/not finite/));
});
