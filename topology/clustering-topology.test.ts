import { afterEach, describe, expect, it } from 'vitest';
import { readAll } from '../runtime/testing/read-all.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  type Assignment,
  type CentroidDelta,
  decodeClusterEvent,
  decodeLearningMessage,
  decodeModel,
  encodeLearningMessage,
  encodeModel,
  encodeModelCommand,
  type Model,
  modelKey,
  topics,
} from '../schemas/index.ts';
import { CentroidStore, type ModelRegistry } from '../state-stores/index.ts';
import { Random } from '../support/index.ts';
import { judge, type Verdict } from '../test/oracle/clustering-oracle.ts';
import { headerOf, recordedLogs } from '../test/oracle/decode-logs.ts';
import { type ClusteringOptions, clusteringTopology, Topology } from './index.ts';

const k = 3;
const centres = [
  [0, 0],
  [10, 0],
  [0, 1000],
];

const options: ClusteringOptions = {
  model: { k, seed: 7, halfLife: { unit: 'points', value: 500 } },
  bootstrap: { rows: 60, waitMs: 5_000 },
  points: { format: 'json', bytesMax: 10_000 },
  codeVersion: 'test',
};

let driver: TopologyTestDriver;

afterEach(() => driver.close());

async function start(changes: Partial<ClusteringOptions> = {}, partitions = 2, batchRowsMax = 50) {
  driver = await TopologyTestDriver.create(clusteringTopology({ ...options, ...changes }), {
    partitions: { points: partitions, assignments: partitions, 'dead-letters': partitions },
    batchRowsMax,
  });
}

/** Around the centres, in turn. */
function points(random: Random, count: number, shift = 0) {
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = centres[i % k]!;
    const vector = [x! + random.normal() + shift, y! + 50 * random.normal()];
    return { key: `p${i}`, value: JSON.stringify({ vector, timestamp: 1_699_999_000_000 + i }) };
  });
}

const json = <T>(bytes: Uint8Array | null): T => JSON.parse(Buffer.from(bytes!).toString()) as T;

async function assignments(): Promise<Assignment[]> {
  return (await driver.read(topics.assignments)).map(({ value }) => json<Assignment>(value));
}

const current = () => driver.globalStore<ModelRegistry>('models').current();

/** Everything the run left in the logs, judged; and the owner's store against the judge's state. */
async function verdict(changes: Partial<ClusteringOptions['model']> = {}): Promise<Verdict> {
  const logs = await recordedLogs(driver.broker);
  const { seed, halfLife } = { ...options.model, ...changes };
  const judged = judge(logs, {
    format: 'json',
    k,
    scaling: true,
    seed,
    halfLife: halfLife!,
  });
  const stored = await new CentroidStore<{ online: Float64Array; clusterIds: string[] }>(
    driver.store('centroids'),
  ).load();
  const { records, clusterIds } = judged.final!;
  expect(stored!.header.clusterIds).toEqual(clusterIds);
  expect(stored!.header.online).toEqual(records.header);
  expect(stored!.clusters.get('basis')).toEqual(records.basis);
  expect(clusterIds.map((id) => stored!.clusters.get(id))).toEqual(records.clusters);
  return judged;
}

describe('the pipeline', () => {
  it('has three tasks, named after what they do', async () => {
    await start();
    const topology = clusteringTopology(options);
    expect(topology).toBeInstanceOf(Topology);
    expect(topology.subTopologies().map(({ id }) => id)).toEqual([
      'assign',
      'fold',
      'detect-drift',
    ]);
  });

  it('names every bad option at once', () => {
    const bad = { ...options, model: { k: 0, seed: 1, features: ['a', 'a'], dimensions: 3 } };
    expect(() => clusteringTopology(bad)).toThrow(
      /model\.k is 0.*2 names for 3 dimensions.*a name twice/,
    );
  });

  it('gives every point one assignment, with all its fields', async () => {
    await start();
    const places = await driver.pipe(topics.points, points(new Random(1), 300));
    await driver.run();
    const answers = await assignments();
    expect(answers).toHaveLength(300);
    const at = ({ partition, offset }: { partition: number; offset: number }) =>
      `${partition}-${offset}`;
    expect(new Set(answers.map(at))).toEqual(new Set(places.map(at)));
    for (const answer of answers) {
      const row = places.findIndex((place) => at(place) === at(answer));
      expect(answer).toMatchObject({ key: `p${row}`, timestamp: 1_699_999_000_000 + row });
      expect(answer.clusterId).toMatch(/^c[123]$/);
      expect(answer.margin).toBeGreaterThan(0);
      expect(answer.outlierScore).toBeGreaterThanOrEqual(0);
      expect(answer.modelVersion).toMatch(/^1\.0\.\d+$/);
    }
    const byCentre = [0, 1, 2].map(
      (centre) =>
        new Set(
          answers.filter(({ key }) => Number(key!.slice(1)) % k === centre).map((a) => a.clusterId),
        ),
    );
    expect(byCentre.map((ids) => ids.size)).toEqual([1, 1, 1]);
    expect((await verdict()).findings).toEqual([]);
  });

  it('keys an assignment like its point, byte for byte', async () => {
    await start();
    await driver.pipe(topics.points, points(new Random(1), 100));
    await driver.pipe(topics.points, { key: Buffer.of(0xff, 1), value: '[1,2]' });
    await driver.run();
    const odd = (await driver.read(topics.assignments)).filter(({ key }) => key?.[0] === 0xff);
    expect(odd).toHaveLength(1);
    expect(json<Assignment>(odd[0]!.value).key).toBe('base64:/wE=');
  });
});

describe('the first model', () => {
  it('waits for enough points, or for the time and enough distinct points', async () => {
    await start({}, 1);
    await driver.pipe(topics.points, [
      ...Array.from({ length: 9 }, () => ({ value: '[1,1]' })),
      { value: '[2,1]' },
    ]);
    await driver.run();
    await driver.advanceWallClock(60_000);
    await driver.advanceWallClock(60_000);
    expect(current()).toBeUndefined();
    await driver.pipe(topics.points, { value: '[5,5]' });
    await driver.run();
    expect(current()).toBeUndefined();
    await driver.advanceWallClock(5_000);
    await driver.advanceWallClock(5_000);
    expect(current()?.version).toMatch(/^1\.0\./);
    expect(await assignments()).toHaveLength(11);
    expect((await verdict()).findings).toEqual([]);
  });

  it('is not kept from coming by a full batch of points that are all the same', async () => {
    await start({}, 1, 10);
    await driver.pipe(
      topics.points,
      Array.from({ length: 75 }, () => ({ value: '[1,1]' })),
    );
    await driver.pipe(topics.points, points(new Random(2), 30));
    await driver.run();
    expect(await assignments()).toHaveLength(105);
    expect((await verdict()).findings).toEqual([]);
  });

  it('is waited for in bounded memory: of a long log only its beginning is taken in, once', async () => {
    await start({}, 1);
    const [logged, inHandMax] = [80_000, 32_768];
    await driver.pipe(
      topics.points,
      Array.from({ length: logged }, () => ({ value: '[1,1]' })),
    );
    for (let i = 0; i < 3; i++) await driver.run();
    const sent = (await readAll(driver.broker, topics.centroidDeltas)).map(({ value }) =>
      decodeLearningMessage(value!),
    );
    const rows = sent.map((message) => (message.kind === 'sample' ? message.weights.length : 0));
    expect(current()).toBeUndefined();
    expect(rows.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(inHandMax);
    expect(rows.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
  });

  it('is no reason to wait for records that are no points', async () => {
    await start({}, 1, 10);
    await driver.pipe(topics.points, [
      ...Array.from({ length: 25 }, () => ({ value: 'not a point' })),
      ...points(new Random(2), 8),
    ]);
    await driver.run();
    expect(await driver.read(topics.deadLetters)).toHaveLength(20);
    await driver.advanceWallClock(1_000);
    await driver.advanceWallClock(6_000);
    await driver.pipe(topics.points, points(new Random(3), 10));
    await driver.run();
    expect(await driver.read(topics.deadLetters)).toHaveLength(5);
    expect((await verdict()).findings).toEqual([]);
  });

  it('counts no point twice when the tasks crash while they wait', async () => {
    await start();
    await driver.pipe(topics.points, points(new Random(4), 40));
    await driver.run();
    await driver.crash();
    await driver.pipe(topics.points, points(new Random(5), 15));
    await driver.run();
    expect(current()).toBeUndefined();
    await driver.crash();
    await driver.pipe(topics.points, points(new Random(6), 30));
    await driver.run();
    expect(current()).toBeDefined();
    expect((await verdict()).findings).toEqual([]);
  });

  it('announces the birth of its clusters', async () => {
    await start();
    await driver.pipe(topics.points, points(new Random(1), 100));
    await driver.run();
    const events = (await driver.read(topics.clusterEvents)).map((it) =>
      decodeClusterEvent(it.value!),
    );
    expect(events.slice(0, k).map(({ type, clusterId }) => [type, clusterId])).toEqual([
      ['born', 'c1'],
      ['born', 'c2'],
      ['born', 'c3'],
    ]);
  });
});

describe('a crash', () => {
  it.each([1, 2, 3, 4, 5])('loses and repeats nothing, at any place (seed %i)', async (seed) => {
    await start();
    const random = new Random(seed);
    for (let step = 0; step < 12; step++) {
      const some = points(random, 20 + random.below(150), step);
      if (random.below(3) === 0) some.push({ key: 'bad', value: '[1,2,3]' });
      await driver.pipe(topics.points, some);
      if (random.below(2) === 0) await driver.run();
      await driver.process(random.below(8));
      if (random.below(2) === 0) await driver.commit();
      await driver.process(random.below(8));
      await driver.crash();
    }
    await driver.run();
    const judged = await verdict();
    expect(judged.findings).toEqual([]);
    expect(judged.deltas).toBeGreaterThan(5);
    expect(judged.modelsChecked).toBeGreaterThan(5);
  });
});

describe('learning', () => {
  it('moves a centroid to where points of a new kind are, under a new id', async () => {
    await start({ model: { ...options.model, halfLife: { unit: 'points', value: 2_000 } } }, 3);
    const random = new Random(11);
    await driver.pipe(topics.points, points(random, 600));
    await driver.run();
    for (let step = 0; step < 25; step++) {
      const strange = { key: `s${step}`, value: `[${80 + random.normal()},${random.normal()}]` };
      await driver.pipe(topics.points, [...points(random, 60), ...Array(30).fill(strange)]);
      for (let i = 0; i < 4; i++) {
        await driver.process(random.below(6));
        if (random.below(3) === 0) await driver.commit();
      }
      if (random.below(4) === 0) await driver.crash();
    }
    await driver.run();
    const events = (await driver.read(topics.clusterEvents)).map((it) =>
      decodeClusterEvent(it.value!),
    );
    expect(events.map(({ type, clusterId }) => `${clusterId} ${type}`)).toContain('c4 born');
    expect(current()?.clusterIds).toContain('c4');
    expect((await verdict({ halfLife: { unit: 'points', value: 2_000 } })).findings).toEqual([]);
  });

  it('leaves out the deltas of another generation and those that fit no model, and counts them', async () => {
    await start();
    await driver.pipe(topics.points, points(new Random(1), 200));
    await driver.run();
    const before = current()!;
    const delta: CentroidDelta = {
      ...{ kind: 'delta', modelVersion: '0.9.3', partition: 0, fromOffset: 0, nextOffset: 1 },
      ...{ landmarkMs: -1, timestampCapMs: -1 },
      ...{ timestampMs: 1, clusters: Int32Array.of(9), weights: Float64Array.of(1) },
      ...{ sums: Float64Array.of(1, 2), sumSquares: Float64Array.of(1) },
      ...{ distanceHistogram: new Float64Array(64), candidates: new Float32Array(0) },
      candidateWeights: new Float64Array(0),
    };
    const ours = { ...delta, modelVersion: before.version };
    await driver.pipe(topics.centroidDeltas, [
      { value: encodeLearningMessage(delta) },
      { value: encodeLearningMessage(ours) },
      { value: 'no delta' },
      { value: null },
    ]);
    await driver.run();
    const { values } = await driver.metrics.deltasFolded.get();
    const outcomes = values.map(({ labels, value }) => [labels.outcome, value]);
    expect(outcomes).toContainEqual(['stale', 1]);
    expect(outcomes).toContainEqual(['invalid', 3]);
    expect(current()?.version).toBe(before.version);
    expect(current()?.centroids).toEqual(before.centroids);
  });
});

describe('a transaction', () => {
  it('has one model version from its first batch to its commit', async () => {
    await start();
    await driver.pipe(topics.points, points(new Random(1), 200));
    await driver.run();
    await driver.read(topics.assignments);
    const before = current()!;
    await driver.pipe(
      topics.points,
      points(new Random(2), 200).map((point) => ({ ...point, partition: 0 })),
    );
    await driver.process(1);
    const next = { ...candidateOf(before, '2.0.0'), ...flattened(before) };
    await driver.pipe(topics.models, { key: modelKey('current'), value: encodeModel(next) });
    await driver.process(2);
    await driver.commit();
    await driver.process();
    await driver.commit();
    const versions = (await assignments()).map(({ modelVersion }) => modelVersion);
    expect(versions).toEqual(Array(150).fill(before.version));
    const letters = await driver.read(topics.deadLetters);
    expect(letters.map((it) => headerOf(it, 'meanstream.reason'))).toEqual(
      Array(50).fill('wrong_length'),
    );
  });
});

describe('a half-life in event time', () => {
  const minute = 60_000;
  const first = 1_699_990_000_000;
  const model = { ...options.model, halfLife: { unit: 'ms', value: 10 * minute } } as const;

  /** One a second, each up to `lateMsMax` late. */
  function stream(random: Random, from: number, count: number, lateMsMax: number) {
    return points(random, count).map(({ key, value }, i) => {
      const { vector } = JSON.parse(value) as { vector: number[] };
      const timestamp = first + (from + i) * 1_000 - random.below(lateMsMax + 1);
      return { key, value: JSON.stringify({ vector, timestamp }) };
    });
  }

  it.each([1, 2, 3])(
    'is recomputed bit for bit: late points, crashes, a new cluster (seed %i)',
    async (seed) => {
      await start({ model }, 3);
      const random = new Random(seed);
      for (let step = 0; step < 20; step++) {
        const strange = { key: `s${step}`, value: '' };
        const some = stream(random, step * 150, 150, 40 * minute);
        for (let i = 0; step > 6 && i < 40; i++) {
          const timestamp = first + (step * 150 + i) * 1_000;
          const vector = [80 + random.normal(), random.normal()];
          some.push({ ...strange, value: JSON.stringify({ vector, timestamp }) });
        }
        some.push({ key: 'old', value: JSON.stringify({ vector: [1, 1], timestamp: first / 2 }) });
        await driver.pipe(topics.points, some);
        for (let i = 0; i < 4; i++) {
          await driver.process(random.below(6));
          if (random.below(3) === 0) await driver.commit();
        }
        if (random.below(4) === 0) await driver.crash();
      }
      await driver.run();
      const judged = await verdict(model);
      expect(judged.findings).toEqual([]);
      expect(judged.deltas).toBeGreaterThan(20);
      expect(current()!.landmarkMs % (10 * minute)).toBe(0);
      const { values } = await driver.metrics.pointsTooLate.get();
      expect(values[0]!.value).toBeGreaterThan(0);
      const events = (await driver.read(topics.clusterEvents)).map((it) =>
        decodeClusterEvent(it.value!),
      );
      expect(events.map(({ clusterId }) => clusterId)).toContain('c4');
    },
  );

  it('lets a late point weigh less than one in time, and a retrained model begin where time stands', async () => {
    await start({ model }, 1);
    await driver.pipe(topics.points, stream(new Random(1), 0, 300, 0));
    await driver.run();
    const weightOf = () => current()!.weights.reduce((sum, weight) => sum + weight, 0);
    const at = (timestamp: number) => ({ value: JSON.stringify({ vector: [0, 0], timestamp }) });
    const before = weightOf();
    const newest = first + 299_000;
    await driver.pipe(topics.points, at(newest));
    await driver.run();
    const inTime = weightOf();
    await driver.pipe(topics.points, at(newest - 20 * minute));
    await driver.run();
    expect(inTime - before).toBeCloseTo(1, 5);
    expect(weightOf() - inTime).toBeCloseTo(0.25, 5);

    const candidate = candidateOf(current()!, '1.1.0');
    await driver.pipe(topics.models, { key: modelKey('1.1.0'), value: encodeModel(candidate) });
    await promote('1.1.0');
    await driver.run();
    expect(current()?.landmarkMs).toBe(candidate.landmarkMs);
    await driver.pipe(topics.points, stream(new Random(2), 300, 300, minute));
    await driver.run();
    expect(current()?.version).toMatch(/^1\.1\.[1-9]/);
    expect((await verdict(model)).findings).toEqual([]);
  });

  it('takes a time far ahead of the clock for as far ahead as clocks may be', async () => {
    await start({ model }, 1);
    await driver.pipe(topics.points, stream(new Random(1), 0, 300, 0));
    await driver.run();
    const wrong = { value: '[0,0]', timestamp: driver.clock.nowMs() + 10 * 365 * 86_400_000 };
    await driver.pipe(topics.points, wrong);
    await driver.run();
    const skewMs = 3_600_000;
    expect(current()!.landmarkMs).toBeLessThanOrEqual(driver.clock.nowMs() + skewMs + 10 * minute);
    expect((await verdict(model)).findings).toEqual([]);
  });
});

describe('a half-life in batches', () => {
  it('is recomputed bit for bit, however commits fall', async () => {
    const model = { ...options.model, halfLife: { unit: 'batches', value: 6 } } as const;
    await start({ model }, 2);
    const random = new Random(5);
    for (let step = 0; step < 15; step++) {
      await driver.pipe(topics.points, points(random, 20 + random.below(100), step));
      await driver.process(random.below(6));
      if (random.below(2) === 0) await driver.commit();
      if (random.below(5) === 0) await driver.crash();
    }
    await driver.run();
    expect((await verdict(model)).findings).toEqual([]);
    expect(current()?.halfLife).toEqual({ unit: 'batches', value: 6 });
  });
});

/** The current model as a retrain might give it back: another generation, the second cluster a new one. */
function candidateOf(model: Model, version: string): Model {
  const { clusterIds, nextClusterNumber } = model;
  return {
    ...model,
    version,
    parent: model.version,
    origin: 'retrain',
    deltaOffset: -1,
    clusterIds: [clusterIds[0]!, `c${nextClusterNumber}`, clusterIds[2]!],
    nextClusterNumber: nextClusterNumber + 1,
    centroids: model.centroids.map((x) => x + 0.5),
    reference: model.centroids.map((x) => x + 0.5),
  };
}

/** The same with the first feature alone. */
function flattened({ centroids, mean, scale }: Model) {
  const flat = (numbers: Float64Array) => numbers.filter((_, i) => i % 2 === 0);
  const places = { centroids: flat(centroids), reference: flat(centroids) };
  return { dims: 1, ...places, mean: flat(mean), scale: flat(scale) };
}

const promote = (version: string) =>
  driver.pipe(topics.modelCommands, {
    value: encodeModelCommand({
      ...{ command: 'promote', version, requestedBy: 'test', reason: 'better', timestampMs: 1 },
    }),
  });

describe('a promotion', () => {
  async function withModel(): Promise<Model> {
    await start();
    await driver.pipe(topics.points, points(new Random(1), 300));
    await driver.run();
    return current()!;
  }

  it('swaps the model while points flow, and loses nothing', async () => {
    const before = await withModel();
    await driver.read(topics.clusterEvents);
    const candidate = candidateOf(before, '1.1.0');
    await driver.pipe(topics.models, { key: modelKey('1.1.0'), value: encodeModel(candidate) });
    await driver.pipe(topics.points, points(new Random(2), 200));
    await driver.process(3);
    await promote('1.1.0');
    await driver.process(3);
    await driver.crash();
    await driver.run();
    await driver.crash();
    await driver.pipe(topics.points, points(new Random(3), 200));
    await driver.run();

    expect(current()?.version).toMatch(/^1\.1\.\d+$/);
    expect(current()?.clusterIds).toEqual(['c1', 'c4', 'c3']);
    const answers = await assignments();
    expect(answers).toHaveLength(700);
    expect(answers.some(({ modelVersion }) => modelVersion.startsWith('1.1.'))).toBe(true);
    const events = (await driver.read(topics.clusterEvents)).map((it) =>
      decodeClusterEvent(it.value!),
    );
    expect(
      events
        .filter(({ modelVersion }) => modelVersion === '1.1.0')
        .map(({ type, clusterId }) => `${clusterId} ${type}`),
    ).toEqual(['c2 died', 'c1 remapped', 'c4 born', 'c3 remapped']);
    expect((await verdict()).findings).toEqual([]);
  });

  it('is published for good under its version, with the delta it begins at', async () => {
    const before = await withModel();
    await driver.pipe(topics.models, {
      key: modelKey('1.1.0'),
      value: encodeModel(candidateOf(before, '1.1.0')),
    });
    await promote('1.1.0');
    await driver.run();
    const births = (await driver.read(topics.models))
      .filter(({ key }) => Buffer.from(key!).equals(modelKey('1.1.0')))
      .map(({ value }) => decodeModel(value!));
    expect(births.map(({ deltaOffset, parent }) => [deltaOffset, parent])).toEqual([
      [-1, before.version],
      [before.deltaOffset, before.version],
    ]);
  });

  it('waits for its candidate, and is given up when that never comes', async () => {
    const before = await withModel();
    await promote('1.1.0');
    await driver.process(5);
    expect(current()?.version).toBe(before.version);
    const candidate = candidateOf(before, '1.1.0');
    await driver.pipe(topics.models, { key: modelKey('1.1.0'), value: encodeModel(candidate) });
    await driver.run();
    expect(current()?.version).toBe('1.1.0');
    await promote('1.2.0');
    for (let i = 0; i < 200; i++) await driver.advanceWallClock(50);
    await driver.pipe(topics.points, points(new Random(3), 50));
    await driver.run();
    expect(current()?.version).toMatch(/^1\.1\./);
  });

  it('of a generation that is not newer changes nothing, nor does a command nobody can read', async () => {
    const before = await withModel();
    await promote('1.0.0');
    await promote('0.9.0');
    await driver.pipe(topics.modelCommands, [
      { value: 'promote!' },
      { value: '{"command":"drop"}' },
      { value: null },
    ]);
    await driver.run();
    expect(current()?.version).toBe(before.version);
  });

  it('moves to another number of dimensions between two transactions', async () => {
    const before = await withModel();
    const candidate = { ...candidateOf(before, '2.0.0'), ...flattened(before) };
    await driver.pipe(topics.models, { key: modelKey('2.0.0'), value: encodeModel(candidate) });
    await promote('2.0.0');
    await driver.pipe(topics.points, points(new Random(2), 100));
    await driver.run();
    await driver.pipe(topics.points, [{ value: '[1]' }, { value: '[1,2]' }]);
    await driver.run();
    const letters = await driver.read(topics.deadLetters);
    expect(letters.map((it) => headerOf(it, 'meanstream.reason'))).toContain('wrong_length');
    const flatPoints = (await assignments()).filter(({ key }) => key === null);
    expect(flatPoints.map(({ modelVersion }) => modelVersion.slice(0, 3))).toEqual(['2.0']);
    expect((await verdict()).findings).toEqual([]);
  });
});
