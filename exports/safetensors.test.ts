import { expect, it } from 'vitest';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import { decodeSafetensors, encodeOnnx, encodePmml, encodeSafetensors } from './index.ts';

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
