// Metrics and missing values through the whole pipeline: points in, crashes, models and assignments out, and the oracle at the end.

import { afterEach, describe, expect, it } from 'vitest';
import { fitHere, runRetrain } from '../jobs/index.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import { type Assignment, type Model, PointDecoder, topics } from '../schemas/index.ts';
import { CentroidStore, type ModelRegistry } from '../state-stores/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import { judge } from '../test/oracle/clustering-oracle.ts';
import { headerOf, recordedLogs } from '../test/oracle/decode-logs.ts';
import { type ClusteringOptions, clusteringTopology } from './index.ts';

const k = 3;
const seed = 7;
const halfLifeDefault = { unit: 'points', value: 500 } as const;
const nan = Number.NaN;

type Space = Pick<ClusteringOptions['model'], 'metric' | 'missing' | 'halfLife'>;

let driver: TopologyTestDriver;

afterEach(() => driver?.close());

async function start(space: Space) {
  const topology = clusteringTopology({
    model: { k, seed, halfLife: halfLifeDefault, ...space },
    bootstrap: { rows: 60, waitMs: 5_000 },
    points: { format: 'json', bytesMax: 10_000 },
    codeVersion: 'test',
  });
  const partitions = { points: 2, assignments: 2, 'dead-letters': 2 };
  driver = await TopologyTestDriver.create(topology, { partitions, batchRowsMax: 40 });
}

/** Around three directions, of all lengths; with gaps in three of ten, half of the points raw float32. */
function points(random: Random, count: number, gaps: boolean, turn = 0) {
  return Array.from({ length: count }, (_, i) => {
    const length = Math.exp(random.normal());
    const vector = Array.from({ length: 4 }, (_, d) => {
      const mean = d === i % k ? 1 + turn : d === 3 ? turn : 0;
      return length * (mean + 0.1 * random.normal());
    });
    if (gaps && random.float() < 0.3) vector[random.below(4)] = nan;
    const key = `p${i}`;
    if (i % 2 === 0) return { key, value: JSON.stringify({ vector, weight: 1 + (i % 3) }) };
    const headers = [
      { key: 'content-type', value: Buffer.from('application/vnd.meanstream.float32') },
    ];
    return { key, value: Buffer.from(Float32Array.from(vector).buffer), headers };
  });
}

const current = () => driver.globalStore<ModelRegistry>('models').current()!;

async function verdict(space: Space) {
  const { metric = 'euclidean', missing = 'reject', halfLife = halfLifeDefault } = space;
  const scaling = metric === 'euclidean';
  const options = { format: 'json', k, scaling, seed, halfLife, metric, missing } as const;
  const judged = judge(await recordedLogs(driver.broker), options);
  const store = new CentroidStore<{ online: Float64Array; clusterIds: string[] }>(
    driver.store('centroids'),
  );
  const { header, clusters } = (await store.load())!;
  const { records, clusterIds } = judged.final!;
  expect(header.online).toEqual(records.header);
  expect(clusters.get('basis')).toEqual(records.basis);
  expect(clusterIds.map((id) => clusters.get(id))).toEqual(records.clusters);
  return judged;
}

const spaces: readonly (Space & { gaps: boolean })[] = [
  { metric: 'cosine', missing: 'reject', gaps: false },
  { metric: 'cosine', missing: 'mean', gaps: true },
  { metric: 'euclidean', missing: 'mean', gaps: true },
  { metric: 'euclidean', missing: 'partial', gaps: true },
  { metric: 'euclidean', missing: 'reject', gaps: true },
  { metric: 'euclidean', missing: 'partial', gaps: true, halfLife: { unit: 'ms', value: 40 } },
  { metric: 'cosine', missing: 'mean', gaps: true, halfLife: { unit: 'ms', value: 40 } },
];

describe.each(spaces)('$metric, $missing, gaps: $gaps, $halfLife', ({ gaps, ...space }) => {
  const { metric, missing = 'reject' } = space;

  it('every assignment, delta and model is what the oracle computes, through crashes', async () => {
    await start(space);
    const random = new Random(5);
    for (let step = 0; step < 8; step++) {
      await driver.pipe(topics.points, points(random, 40 + random.below(100), gaps, step / 4));
      await driver.pipe(topics.points, [
        { key: 'zero', value: '[0,0,0,0]' },
        { key: 'gaps', value: '[null,null,null,null]' },
      ]);
      if (random.below(2) === 0) await driver.run();
      await driver.process(random.below(6));
      if (random.below(2) === 0) await driver.commit();
      await driver.process(random.below(6));
      await driver.crash();
    }
    await driver.run();
    const judged = await verdict(space);
    expect(judged.findings).toEqual([]);
    expect(judged.modelsChecked).toBeGreaterThan(4);
    expect(judged.assigned).toBeGreaterThan(300);
    const model = current();
    expect(model).toMatchObject({ metric, missing });
    expect(model.featureMeans).toHaveLength(missing === 'mean' ? 4 : 0);
    const letters = await driver.read(topics.deadLetters);
    const reasons = new Set(letters.map((letter) => headerOf(letter, 'meanstream.reason')));
    expect(reasons.has('zero_vector')).toBe(metric === 'cosine');
    expect(reasons.has('all_missing')).toBe(missing !== 'reject');
    expect(reasons.has('not_a_number')).toBe(missing === 'reject');
    expect(reasons.has('not_finite')).toBe(gaps && missing === 'reject');
  });
});

describe.each(spaces.slice(0, 4))('a retrain: $metric, $missing', ({ metric, missing, gaps }) => {
  it('keeps metric and policy, is no worse than its parent, and goes on as the oracle says', async () => {
    await start({ metric, missing });
    const random = new Random(8);
    await driver.pipe(topics.points, points(random, 300, gaps));
    await driver.run();
    const parent = current();
    const report = await retrain();
    expect(report.points).toBe(300);
    expect(report.inertia).toBeLessThanOrEqual(report.parentInertia);
    const { version, version: reason } = report;
    const command = { command: 'promote', version, reason, requestedBy: 'test', timestampMs: 1 };
    await driver.pipe(topics.modelCommands, { value: JSON.stringify(command) });
    await driver.pipe(topics.points, points(random, 200, gaps));
    await driver.process(3);
    await driver.crash();
    await driver.run();
    await driver.pipe(topics.points, points(random, 100, gaps));
    await driver.run();
    const model = current();
    expect(model.version).toMatch(/^1\.1\.[1-9]/);
    expect(model).toMatchObject({ metric, missing });
    // By length, the points of this stream are in no clusters that would have to be found again.
    if (metric === 'cosine') {
      expect(model.clusterIds.toSorted()).toEqual(parent.clusterIds.toSorted());
      for (let j = 0; j < k; j++) {
        expect(Math.hypot(...model.centroids.subarray(j * 4, j * 4 + 4))).toBeCloseTo(1, 12);
      }
    }
    const judged = await verdict({ metric, missing });
    expect(judged.findings).toEqual([]);
    expect(judged.assigned).toBe(600);
  });
});

function retrain() {
  const decoder = new PointDecoder({
    format: 'json',
    bytesMax: 10_000,
    timestampSkewMsMax: Infinity,
  });
  return runRetrain({
    ...{ broker: driver.broker, group: 'nobody', seed: 3, scaling: true, promote: false },
    ...{ requestedBy: 'test', reason: 'test', codeVersion: 'test' },
    decode: (batch, shape) => decoder.decode(batch, shape).points,
    ...{ clock: systemClock, logger: silentLogger },
    fit: async (input, onProgress) => fitHere(input, onProgress),
  });
}

describe('a pipeline by cosine', () => {
  const cosine = (x: ArrayLike<number>, c: ArrayLike<number>) => {
    const [a, b] = [Array.from(x), Array.from(c)];
    return a.reduce((sum, v, d) => sum + v * b[d]!, 0) / Math.hypot(...a) / Math.hypot(...b);
  };

  it('has unit centroids in every version, and tells 1 − cos', async () => {
    await start({ metric: 'cosine' });
    await driver.pipe(topics.points, points(new Random(1), 300, false));
    await driver.run();
    const { models, points: records, assignments } = await recordedLogs(driver.broker);
    for (const { model } of models) {
      for (let j = 0; j < k; j++) {
        expect(Math.hypot(...model.centroids.subarray(j * 4, j * 4 + 4))).toBeCloseTo(1, 12);
      }
      expect(model.scale).toEqual(new Float64Array(4).fill(1));
    }
    const versions = new Map<string, Model>(models.map(({ model }) => [model.version, model]));
    for (const answer of assignments) {
      const record = records.find(
        ({ partition, offset }) => partition === answer.partition && offset === answer.offset,
      )!;
      if (record.headers.length > 0) continue;
      const { vector } = JSON.parse(Buffer.from(record.value!).toString()) as { vector: number[] };
      const { centroids, clusterIds } = versions.get(answer.modelVersion)!;
      const cosines = clusterIds.map((_, j) =>
        cosine(vector, centroids.subarray(j * 4, j * 4 + 4)),
      );
      expect(answer.distance).toBeCloseTo(1 - Math.max(...cosines), 5);
      expect(cosines[clusterIds.indexOf(answer.clusterId)]).toBeCloseTo(Math.max(...cosines), 5);
    }
  });

  it('one point × 1000 moves no centroid further than the point itself', async () => {
    const run = async (factor: number) => {
      await start({ metric: 'cosine' });
      await driver.pipe(topics.points, points(new Random(1), 90, false));
      await driver.run();
      const value = JSON.stringify([3 * factor, factor, 0, 0]);
      await driver.pipe(topics.points, { key: 'long', value, partition: 0 });
      await driver.run();
      const { centroids, version } = current();
      if (factor === 1) await driver.close();
      return { centroids, version };
    };
    expect(await run(1)).toEqual(await run(1024));
  });
});

describe('partial distance', () => {
  it('is dims/present times the squares over what is there, of assignments too', async () => {
    await start({ missing: 'partial' });
    await driver.pipe(topics.points, points(new Random(1), 90, true));
    await driver.run();
    await driver.read(topics.assignments);
    const { centroids, scale, clusterIds } = current();
    await driver.pipe(topics.points, { key: 'a', value: '[null,2,null,0.5]', partition: 0 });
    await driver.run();
    const [record] = await driver.read(topics.assignments);
    const answer = JSON.parse(Buffer.from(record!.value!).toString()) as Assignment;
    const distances = clusterIds.map((_, j) => {
      const square = (d: number, x: number) => ((x - centroids[j * 4 + d]!) / scale[d]!) ** 2;
      return Math.sqrt((4 / 2) * (square(1, 2) + square(3, 0.5)));
    });
    expect(answer.distance).toBeCloseTo(Math.min(...distances), 4);
    expect(answer.clusterId).toBe(clusterIds[distances.indexOf(Math.min(...distances))]);
  });
});

it('a standard scaler or partial distance with cosine is a fault of the settings', () => {
  const model = { k, seed, metric: 'cosine', missing: 'partial', scaling: 'standard' } as const;
  const options = { bootstrap: { rows: 60, waitMs: 1 }, codeVersion: 'test' };
  expect(() =>
    clusteringTopology({ ...options, model, points: { format: 'json', bytesMax: 100 } }),
  ).toThrow(/model\.scaling is standard.*model\.missing is partial/);
});
