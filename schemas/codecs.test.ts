import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeClusterEvent,
  decodeDrift,
  decodeLearningMessage,
  decodeModel,
  decodeModelCommand,
  decodeQuality,
  encodeClusterEvent,
  encodeDrift,
  encodeLearningMessage,
  encodeModel,
  encodeModelCommand,
  encodeQuality,
  modelKey,
} from './codecs.ts';
import type { BootstrapSample, CentroidDelta, DriftReport, QualitySummary } from './messages.ts';
import type { Model } from './model.ts';
import { bytesOf, numbersIn } from './number-arrays.ts';

const model: Model = {
  version: '1.0.17',
  parent: null,
  createdAtMs: 1_700_000_000_000,
  origin: 'online',
  k: 2,
  dims: 3,
  metric: 'euclidean',
  missing: 'reject',
  featureMeans: new Float64Array(0),
  seed: 42,
  features: ['a', 'b', 'ü'],
  clusterIds: ['c1', 'c9'],
  nextClusterNumber: 10,
  centroids: Float64Array.of(1, 2, 3, -0, Number.MIN_VALUE, 1e300),
  weights: Float64Array.of(0.1, 7),
  sumSquares: Float64Array.of(3, 4),
  distanceHistogram: new Float64Array(128).fill(0.25),
  mean: Float64Array.of(0, 0, 0),
  scale: Float64Array.of(1, 1, 1),
  reference: Float64Array.of(1, 2, 3, 4, 5, 6),
  offsets: { '0': { from: 0, to: 4_503_599_627_370_495 }, '12': { from: 3, to: 4 } },
  deltaOffset: -1,
  quality: { meanSquaredDistance: 0.5, imbalance: 1.25 },
  halfLife: { unit: 'ms', value: 1_800_000 },
  landmarkMs: 1_700_001_000_000,
  lineage: [
    { fate: 'survived', from: ['c1', 'c4'] },
    { fate: 'born', from: [] },
  ],
  parameters: { scaling: 'standard' },
  codeVersion: '0.1.0',
};

const delta: CentroidDelta = {
  kind: 'delta',
  modelVersion: '1.0.3',
  partition: 3,
  fromOffset: 10,
  nextOffset: 20,
  timestampMs: -1,
  landmarkMs: 1_700_001_000_000,
  timestampCapMs: -1,
  clusters: Int32Array.of(0, 5),
  weights: Float64Array.of(1.5, 2),
  sums: Float64Array.of(1, 2, 3, 4),
  sumSquares: Float64Array.of(0.5, 0.25),
  distanceHistogram: new Float64Array(128),
  candidates: Float32Array.of(1, -2),
  candidateWeights: Float64Array.of(1),
};

const sample: BootstrapSample = {
  kind: 'sample',
  partition: 0,
  fromOffset: 0,
  nextOffset: 3,
  timestampMs: 5,
  dims: 2,
  features: [],
  values: Float32Array.of(1, 2, 3, 4),
  weights: Float32Array.of(1, 1),
};

const quality: QualitySummary = {
  modelVersion: '1.0.0',
  partition: 1,
  fromOffset: 2,
  nextOffset: 3,
  timestampMs: 4,
  count: 5,
  weight: 5.5,
  clusterCounts: Float64Array.of(2, 3),
  standardisedDistanceSum: 1.5,
  standardisedDistanceSquareSum: 2.5,
  inertia: 3.5,
  featureSums: Float64Array.of(1),
  featureSquareSums: Float64Array.of(2),
  outliers: 1,
};

describe('codecs', () => {
  it('gives back every field of a model', () => {
    expect(decodeModel(encodeModel(model))).toEqual(model);
    expect(Object.is(decodeModel(encodeModel(model)).centroids[3], -0)).toBe(true);
  });

  it('gives back a delta and a sample, and tells them apart', () => {
    expect(decodeLearningMessage(encodeLearningMessage(delta))).toEqual(delta);
    expect(decodeLearningMessage(encodeLearningMessage(sample))).toEqual(sample);
  });

  it('gives back a quality summary', () => {
    expect(decodeQuality(encodeQuality(quality))).toEqual(quality);
  });

  it('gives back commands, events and drift reports', () => {
    const command = {
      command: 'promote' as const,
      version: '1.1.0',
      requestedBy: 'me',
      reason: 'better',
      timestampMs: 1,
    };
    expect(decodeModelCommand(encodeModelCommand(command))).toEqual(command);
    const event = {
      type: 'born' as const,
      clusterId: 'c1',
      modelVersion: '1.0.0',
      timestampMs: 1,
      details: { share: 0.5, from: ['c0'] },
    };
    expect(decodeClusterEvent(encodeClusterEvent(event))).toEqual(event);
    const report: DriftReport = {
      window: 1,
      modelVersion: '1.0.0',
      timestampMs: 2,
      count: 3,
      psi: null,
      pageHinkley: 4,
      pageHinkleyThreshold: 5,
      featureShift: 0.1,
      meanStandardisedDistance: 1,
      outlierRate: 0.01,
      level: 'none',
      detectors: [],
    };
    expect(decodeDrift(encodeDrift(report))).toEqual(report);
  });

  it('keeps a model under its version and under current', () => {
    expect(Buffer.from(modelKey('current')).toString()).toBe('default/current/0');
    expect(Buffer.from(modelKey('1.1.0')).toString()).toBe('default/1.1.0/0');
  });

  it('gives a decoded message its own memory', () => {
    const bytes = encodeModel(model);
    const decoded = decodeModel(bytes);
    bytes.fill(0);
    expect(decoded).toEqual(model);
  });

  it('refuses a message cut at any byte, and bytes after its end', () => {
    for (const [bytes, decode] of [
      [encodeModel(model), decodeModel],
      [encodeLearningMessage(delta), decodeLearningMessage],
      [encodeLearningMessage(sample), decodeLearningMessage],
      [encodeQuality(quality), decodeQuality],
    ] as const) {
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decode(bytes.subarray(0, length))).toThrow(
          expect.objectContaining({ code: 'MEANSTREAM_INVALID_MESSAGE' }),
        );
      }
      expect(() => decode(Buffer.concat([bytes, Buffer.of(0)]))).toThrow();
    }
  });

  it('refuses a model whose columns do not fit k and dims', () => {
    expect(() => decodeModel(encodeModel({ ...model, k: 3 }))).toThrow(
      expect.objectContaining({ code: 'MEANSTREAM_INVALID_MESSAGE' }),
    );
  });

  it('never throws anything but an invalid record for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [
          decodeModel,
          decodeLearningMessage,
          decodeQuality,
          decodeModelCommand,
          decodeDrift,
        ]) {
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MEANSTREAM_INVALID_MESSAGE' });
          }
        }
      }),
    );
  });

  it('names the wrong fields of a command', () => {
    expect(() => decodeModelCommand(Buffer.from('{"command":"drop","version":"1.1.0"}'))).toThrow(
      /"command", "requestedBy", "reason", "timestampMs"/,
    );
  });
});

describe('number arrays', () => {
  it('are read from unaligned bytes too', () => {
    const bytes = new Uint8Array(17);
    bytes.set(bytesOf(Float64Array.of(1.5, -2)), 1);
    expect(numbersIn(bytes.subarray(1), Float64Array)).toEqual(Float64Array.of(1.5, -2));
  });

  it('are views when alignment allows it', () => {
    const array = Float32Array.of(1, 2);
    expect(numbersIn(bytesOf(array), Float32Array).buffer).toBe(array.buffer);
  });
});
