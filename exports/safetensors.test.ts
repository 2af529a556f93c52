import { expect, it } from 'vitest';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import { decodeModel, encodeModel, type Model } from '../schemas/index.ts';
import {
  decodeSafetensors,
  decodeVersion,
  encodeOnnx,
  encodePmml,
  encodeSafetensors,
} from './index.ts';

it('holds every number of the model to the last bit, and says where it comes from', () => {
  const model = modelOf([
    [1 / 3, -2, 1e-300],
    [4, Math.PI, 5e300],
  ]);
  const { metadata, arrays } = decodeSafetensors(encodeSafetensors(model));
  expect(arrays.get('centroids')).toEqual({ shape: [2, 3], data: model.centroids });
  expect(arrays.get('weights')).toEqual({ shape: [2], data: model.weights });
  expect(arrays.get('mean')).toEqual({ shape: [3], data: model.mean });
  expect([...arrays.keys()]).toContain('sum_squares');
  expect(metadata).toMatchObject({ version: '1.0.0', clusterIds: '["c1","c2"]' });
});

it('begins with the length of its header, and its arrays at a multiple of eight', () => {
  const bytes = encodeSafetensors(modelOf([[1], [2]]));
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  expect(length % 8).toBe(0);
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toMatchObject({
    centroids: { dtype: 'F64', shape: [2, 1], data_offsets: [0, 16] },
  });
});

it('gives the version back to the last bit, and the same bytes for it again', () => {
  const versions: Partial<Model>[] = [
    {},
    { features: ['x1', 'ångström'], parent: '1.0.7', origin: 'retrain' },
    { missing: 'mean', featureMeans: Float64Array.of(-0, 1 / 3) },
    {
      lineage: [
        { fate: 'split', from: ['c1'] },
        { fate: 'born', from: [] },
      ],
      parameters: { scaling: 'none' },
      offsets: { 0: { from: 0, to: 7 }, 1: { from: 3, to: 4 } },
      quality: { meanSquaredDistance: 5e-324, imbalance: 1 / 3 },
    },
  ];
  for (const more of versions) {
    const rows = [
      [1 / 3, -2],
      [4, 5e300],
    ];
    const recorded = encodeModel({ ...modelOf(rows), ...more });
    const file = encodeSafetensors(decodeModel(recorded));
    const again = decodeVersion(file);
    expect(Buffer.compare(encodeModel(again), recorded)).toBe(0);
    expect(Buffer.compare(encodeSafetensors(again), file)).toBe(0);
  }
});

it('is no version when arrays of one are missing', () => {
  const file = Buffer.from(encodeSafetensors(modelOf([[1], [2]])));
  const text = file.toString('latin1').replace('"scale"', '"scald"');
  expect(() => decodeVersion(Buffer.from(text, 'latin1'))).toThrow(/lacks scale/);
});

it('is what is left for a model that others would answer for differently', () => {
  const refused = expect.objectContaining({ code: 'MEANSTREAM_INVALID_SETTING' });
  for (const space of [
    { metric: 'cosine' },
    { missing: 'mean' },
    { missing: 'partial' },
  ] as const) {
    const model = { ...modelOf([[1], [2]]), ...space };
    expect(() => encodeOnnx(model)).toThrow(refused);
    expect(() => encodePmml(model)).toThrow(refused);
    expect(decodeSafetensors(encodeSafetensors(model)).metadata).toMatchObject(space);
  }
});
