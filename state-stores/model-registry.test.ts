import { expect, it, vi } from 'vitest';
import {
  encodeModel,
  type Model,
  modelKey,
  type RecordBatch,
  RecordBatchBuilder,
} from '../schemas/index.ts';
import { silentLogger } from '../support/index.ts';
import { ModelRegistry } from './model-registry.ts';

function modelOf(version: string): Model {
  return {
    version,
    parent: null,
    createdAtMs: 0,
    origin: 'online',
    k: 1,
    dims: 2,
    metric: 'euclidean',
    missing: 'reject',
    featureMeans: new Float64Array(0),
    seed: 1,
    features: [],
    clusterIds: ['c1'],
    nextClusterNumber: 2,
    centroids: Float64Array.of(1, 2),
    weights: Float64Array.of(3),
    sumSquares: Float64Array.of(4),
    distanceHistogram: new Float64Array(64),
    mean: Float64Array.of(0, 0),
    scale: Float64Array.of(1, 1),
    reference: Float64Array.of(1, 2),
    offsets: { 0: { from: 0, to: 10 } },
    deltaOffset: 7,
    quality: { meanSquaredDistance: 1, imbalance: 1 },
    halfLife: { unit: 'points', value: 1000 },
    landmarkMs: -1,
    lineage: [],
    parameters: {},
    codeVersion: '0.1.0',
  };
}

/** Records under key → version of the model, null for a tombstone, or raw bytes. */
function batchOf(...records: [key: string, value: string | null | Uint8Array][]): RecordBatch {
  const builder = new RecordBatchBuilder();
  for (const [key, value] of records) {
    const bytes = typeof value === 'string' ? encodeModel(modelOf(value)) : value;
    builder.append(0, modelKey(key), bytes);
  }
  return Object.assign(builder, {
    bytes: Buffer.from(builder.bytes),
    topic: 'models',
    partition: 0,
    offsets: new Float64Array(builder.n),
    nextOffset: builder.n,
  });
}

it('knows the last current model of the topic, and nothing before the first', () => {
  const registry = new ModelRegistry();
  expect(registry.current()).toBeUndefined();
  expect(registry.list()).toEqual([]);
  registry.apply(batchOf(['current', '1.0.0'], ['current', '1.0.1'], ['current', '1.0.2']));
  expect(registry.current()).toEqual(modelOf('1.0.2'));
  expect(registry.aliases('1.0.2')).toEqual(['champion']);
  expect(registry.aliases('1.0.1')).toEqual([]);
  registry.apply(batchOf(['current', null]));
  expect(registry.current()).toBeUndefined();
});

it('lists the current and the born versions, newest first, without the deleted', () => {
  const registry = new ModelRegistry();
  registry.apply(
    batchOf(['1.0.0', '1.0.0'], ['1.9.0', '1.9.0'], ['1.10.0', '1.10.0'], ['current', '1.10.4']),
  );
  expect(registry.list().map(({ version }) => version)).toEqual([
    '1.10.4',
    '1.10.0',
    '1.9.0',
    '1.0.0',
  ]);
  registry.apply(batchOf(['1.9.0', null]));
  expect(registry.get('1.9.0')).toBeUndefined();
  expect(registry.get('1.10.4')).toBe(registry.current());
  expect(registry.get('1.0.0')).toBe(registry.get('1.0.0'));
});

it('keeps what it was given when the batch is used again', () => {
  const registry = new ModelRegistry();
  const batch = batchOf(['1.0.0', '1.0.0'], ['current', '1.0.0']);
  registry.apply(batch);
  batch.bytes.fill(0);
  expect(registry.get('1.0.0')).toEqual(modelOf('1.0.0'));
  registry.apply(batchOf(['current', null]));
  expect(registry.get('1.0.0')).toEqual(modelOf('1.0.0'));
});

it('forgets the oldest versions beyond its maximum', () => {
  const registry = new ModelRegistry({ versionsMax: 2 });
  registry.apply(batchOf(['1.10.0', '1.10.0'], ['1.9.0', '1.9.0'], ['1.11.0', '1.11.0']));
  expect(registry.list().map(({ version }) => version)).toEqual(['1.11.0', '1.10.0']);
});

it('calls its listeners once for a batch that changed something, until they end it', () => {
  const registry = new ModelRegistry();
  const listener = vi.fn();
  const end = registry.onChange(listener);
  registry.apply(batchOf(['current', '1.0.0'], ['1.0.0', '1.0.0'], ['current', '1.0.1']));
  registry.apply(batchOf());
  expect(listener.mock.calls).toEqual([[modelOf('1.0.1')]]);
  end();
  registry.apply(batchOf(['current', '1.0.2']));
  expect(listener).toHaveBeenCalledTimes(1);
});

it('keeps the last good model when a record cannot be read, and says so', () => {
  const error = vi.fn();
  const registry = new ModelRegistry({ logger: { ...silentLogger, error } });
  registry.apply(batchOf(['current', '1.0.0']));
  registry.apply(batchOf(['current', Uint8Array.of(1, 2, 3)], ['1.1.0', Uint8Array.of(9)]));
  expect(registry.current()!.version).toBe('1.0.0');
  expect(registry.get('1.1.0')).toBeUndefined();
  expect(registry.list().map(({ version }) => version)).toEqual(['1.0.0']);
  expect(error).toHaveBeenCalledTimes(2);
});

it('passes over keys that are no model of ours', () => {
  const registry = new ModelRegistry();
  const listener = vi.fn();
  registry.onChange(listener);
  registry.apply(batchOf(['../x', Uint8Array.of(1)], ['latest', Uint8Array.of(1)]));
  expect(listener).not.toHaveBeenCalled();
});
