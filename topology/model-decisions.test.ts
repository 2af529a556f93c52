// Promotion, rollback, pin and aliases as the owner decides them, on the whole pipeline, each run judged at its end.

import { afterEach, describe, expect, it } from 'vitest';
import { readAll } from '../runtime/testing/read-all.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  type Assignment,
  decodeClusterEvent,
  encodeModel,
  encodeModelCommand,
  type Model,
  type ModelCommand,
  type ModelDecision,
  modelKey,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { Random } from '../support/index.ts';
import { type ClusteringOptions, clusteringTopology } from './index.ts';
import { findingsIn, smallDriver, smallOptions, smallPoints } from './testing/small-pipeline.ts';

let driver: TopologyTestDriver;
let random: Random;

afterEach(() => driver.close());

const registry = () => driver.globalStore<ModelRegistry>('models');
const current = (): Model => registry().current()!;
const newest = (): ModelDecision => registry().decisions().at(-1)!;

async function flow(count: number): Promise<void> {
  await driver.pipe(topics.points, smallPoints(random, count));
  await driver.run();
}

async function withModel(changes: Partial<ClusteringOptions> = {}): Promise<Model> {
  random = new Random(3);
  const topology = clusteringTopology({ ...smallOptions, ...changes });
  driver = await TopologyTestDriver.create(topology, smallDriver);
  await flow(300);
  return current();
}

async function command(given: Omit<ModelCommand, 'requestedBy' | 'reason' | 'timestampMs'>) {
  const about = { requestedBy: 'ann', reason: 'to see', timestampMs: 5 };
  await driver.pipe(topics.modelCommands, { value: encodeModelCommand({ ...given, ...about }) });
  await driver.run();
  return newest();
}

/** As a retrain would publish it: c2 gone, two new ones where it was. */
async function publishCandidate(parent: Model, version = '1.1.0'): Promise<void> {
  const { nextClusterNumber: next } = parent;
  const moved = parent.centroids.map((x) => x + 0.25);
  const candidate: Model = {
    ...parent,
    ...{ version, parent: parent.version, origin: 'retrain', deltaOffset: -1 },
    clusterIds: ['c1', `c${next}`, `c${next + 1}`],
    nextClusterNumber: next + 2,
    lineage: [
      { fate: 'survived', from: ['c1', 'c3'] },
      { fate: 'split', from: ['c2'] },
      { fate: 'split', from: ['c2'] },
    ],
    centroids: moved,
    reference: moved,
  };
  await driver.pipe(topics.models, { key: modelKey(version), value: encodeModel(candidate) });
}

async function eventsOf(version: string): Promise<string[]> {
  return (await readAll(driver.broker, topics.clusterEvents))
    .map(({ value }) => decodeClusterEvent(value!))
    .filter(({ modelVersion }) => modelVersion === version)
    .map(({ type, clusterId, details }) =>
      [clusterId, type, details.otherId].filter(Boolean).join(' '),
    );
}

describe('a version beside the champion', () => {
  const promotion = { gate: true, points: 400, margin: 0.01, sampleEvery: 2 };

  /** A candidate whose clusters are `shift` off; the champion's own, at 0. */
  async function beside(shift: number, changes: Partial<typeof promotion> = {}): Promise<Model> {
    const before = await withModel({ promotion: { ...promotion, ...changes } });
    const centroids = before.centroids.map((x) => x + shift);
    const candidate: Model = {
      ...before,
      ...{ version: '1.1.0', parent: before.version, origin: 'retrain', deltaOffset: -1 },
      ...{ centroids, reference: centroids },
    };
    await driver.pipe(topics.models, { key: modelKey('1.1.0'), value: encodeModel(candidate) });
    await command({ command: 'alias', alias: 'shadow', version: '1.1.0' });
    return before;
  }

  const comparison = () => registry().comparison(2);

  it('is scored on a sample of the same points, and nobody is answered by it', async () => {
    await beside(0.5, { gate: false });
    await flow(300);
    await driver.crash();
    await flow(200);
    const found = comparison()!;
    expect(found).toMatchObject({ shadowVersion: '1.1.0', state: 'running' });
    expect(found.points).toBeGreaterThan(240);
    expect(found.shadowError).toBeGreaterThan(found.championError);
    expect(found.idStability).toBe(1);
    expect(current().version).toMatch(/^1\.0\./);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('loses the alias when it is not better by the margin over the points, with the figures as the reason', async () => {
    await beside(0.5);
    await flow(1_000);
    expect(comparison()).toMatchObject({ state: 'not-better' });
    expect(registry().alias('shadow')).toMatchObject({ version: null });
    expect(newest()).toMatchObject({ requestedBy: 'gate', action: 'alias', outcome: 'applied' });
    expect(newest().reason).toMatch(
      /^not better: mean squared distance \d+\.\d\d % over \d+ points/,
    );
    const { points } = comparison()!;
    await flow(100);
    expect(comparison()!.points).toBe(points);
    expect(current().version).toMatch(/^1\.0\./);
  });

  it('is promoted when it is better', async () => {
    await beside(0, { margin: -0.5 });
    await flow(1_000);
    expect(comparison()).toMatchObject({ state: 'better' });
    expect(current().version).toMatch(/^1\.1\./);
    const [promoted, retired] = registry().decisions().slice(-2);
    expect(promoted).toMatchObject({ action: 'promote', requestedBy: 'gate', version: '1.1.0' });
    expect(retired).toMatchObject({ alias: 'shadow', version: null, previous: '1.1.0' });
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it.each([null, '1.0.0', '1.1.0'])(
    'is not promoted when the alias has been pointed at %s before the verdict is obeyed',
    async (version) => {
      await beside(0, { margin: -0.5 });
      const about = { requestedBy: 'ann', reason: 'second thoughts', timestampMs: 5 };
      const alias = { command: 'alias', alias: 'shadow', version, ...about } as const;
      await driver.pipe(topics.modelCommands, { value: encodeModelCommand(alias) });
      await flow(1_000);
      expect(comparison()).toMatchObject({ state: 'better' });
      const verdicts = registry()
        .decisions()
        .filter(({ action, requestedBy }) => action === 'promote' && requestedBy === 'gate');
      expect(verdicts).toMatchObject([{ outcome: 'refused', asked: '1.1.0', number: 4 }]);
      expect(verdicts[0]!.refusal).toContain(
        `shadow of decision 2, and decision 3 has pointed it at ${version ?? 'nothing'}`,
      );
      expect(current().version).toMatch(/^1\.0\./);
      expect(registry().alias('shadow')).toMatchObject({ version, number: 3 });
      expect(await findingsIn(driver.broker)).toEqual([]);
    },
  );
});

describe('decisions about the model', () => {
  it('begin with the first model', async () => {
    await withModel();
    expect(registry().decisions()).toMatchObject([
      { number: 1, action: 'bootstrap', alias: 'champion', version: '1.0.0', previous: null },
    ]);
    expect(registry().alias('champion')).toMatchObject({ number: 1, version: current().version });
  });

  it('say who asked for a promotion, why, and what it replaced; lineage goes out as events', async () => {
    const before = await withModel();
    await publishCandidate(before);
    const decision = await command({ command: 'promote', version: '1.1.0', id: 'x' });
    expect(decision).toMatchObject({
      ...{ number: 2, action: 'promote', outcome: 'applied', refusal: null, commandId: 'x' },
      ...{ version: '1.1.0', previous: before.version, requestedBy: 'ann', reason: 'to see' },
    });
    expect(await eventsOf('1.1.0')).toEqual([
      'c2 died',
      'c3 merged c1',
      'c1 remapped',
      'c4 split c2',
      'c5 split c2',
    ]);
    await flow(100);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('roll back to what the champion replaced, as a generation of its own, with the ids of then', async () => {
    const before = await withModel();
    await publishCandidate(before);
    await command({ command: 'promote', version: '1.1.0' });
    await flow(200);
    const replaced = current().version;
    const decision = await command({ command: 'rollback' });
    expect(decision).toMatchObject({
      ...{ action: 'rollback', outcome: 'applied', version: '1.2.0', previous: replaced },
    });
    const born = registry().get('1.2.0')!;
    expect(born).toMatchObject({ origin: 'rollback', parent: before.version });
    expect(born.clusterIds).toEqual(before.clusterIds);
    expect(born.centroids).toEqual(before.centroids);
    expect(born.nextClusterNumber).toBeGreaterThan(before.nextClusterNumber);
    expect(await eventsOf('1.2.0')).toEqual([
      ...['c4 died', 'c5 died', 'c1 remapped', 'c2 born', 'c3 born'],
    ]);
    expect(registry().get(replaced)?.centroids).toBeDefined();
    await flow(200);
    expect(current().version).toMatch(/^1\.2\.[1-9]/);
    const answers = (await readAll(driver.broker, topics.assignments)).map(
      ({ value }) => JSON.parse(Buffer.from(value!).toString()) as Assignment,
    );
    const generations = new Set(answers.map(({ modelVersion }) => modelVersion.slice(0, 3)));
    expect([...generations].sort()).toEqual(['1.0', '1.1', '1.2']);
    await command({ command: 'rollback' });
    expect(current()).toMatchObject({ parent: expect.stringMatching(/^1\.1\./) });
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('refuse what makes no sense, and say why', async () => {
    const before = await withModel();
    const refusal = async (given: Parameters<typeof command>[0]) =>
      (await command(given)).refusal ?? 'none';
    expect(await refusal({ command: 'rollback' })).toMatch(/replaced nothing/);
    expect(await refusal({ command: 'rollback', version: '1.9.0' })).toMatch(/never been champion/);
    expect(await refusal({ command: 'promote', version: '1.0.0' })).toMatch(/champion already/);
    expect(await refusal({ command: 'unpin' })).toMatch(/not pinned/);
    await publishCandidate(before);
    const stale = { command: 'promote', version: '1.1.0', expected: 7 } as const;
    expect(await refusal(stale)).toMatch(/decision 1 about champion is newer than 7/);
    expect(current().version).toBe(before.version);
    expect(registry().alias('champion').number).toBe(1);
    expect(await refusal({ ...stale, expected: 1 })).toBe('none');
    expect(await refusal({ command: 'promote', version: '1.0.0' })).toMatch(/roll back to it/);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('are made once for each command, also where the one behind it has to wait, over crashes', async () => {
    const before = await withModel();
    await publishCandidate(before);
    await command({ command: 'promote', version: '1.1.0' });
    const about = { requestedBy: 'ann', reason: 'to see', timestampMs: 5 };
    const asked = [
      { command: 'rollback', id: 'a' },
      { command: 'promote', version: '1.7.0', id: 'b' },
      { command: 'pin', id: 'c' },
    ] as const;
    const values = asked.map((each) => ({ value: encodeModelCommand({ ...each, ...about }) }));
    await driver.pipe(topics.modelCommands, values);
    const decided = () =>
      registry()
        .decisions()
        .map(({ commandId }) => commandId);
    await driver.run();
    expect(decided().slice(2)).toEqual(['a']);
    await driver.crash();
    await driver.run();
    expect(decided().slice(2)).toEqual(['a']);
    await publishCandidate(current(), '1.7.0');
    await driver.run();
    expect(decided().slice(2)).toEqual(['a', 'b', 'c']);
    expect(current().version).toMatch(/^1\.7\./);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });

  it('point other aliases at versions, and take them away from a version that becomes champion', async () => {
    const before = await withModel();
    await publishCandidate(before);
    await command({ command: 'alias', alias: 'shadow', version: '1.1.0', expected: 0 });
    await command({ command: 'alias', alias: 'challenger', version: '1.0.0' });
    expect(registry().aliases('1.1.0')).toEqual(['shadow']);
    expect(registry().find('shadow')?.version).toBe('1.1.0');
    await command({ command: 'promote', version: '1.1.0' });
    expect(registry().alias('shadow')).toMatchObject({ version: null, number: 5 });
    expect(registry().aliases('1.1.0')).toEqual(['champion']);
    await command({ command: 'alias', alias: 'challenger', version: null });
    expect(registry().find('challenger')).toBeUndefined();
    expect(
      registry()
        .decisions('shadow')
        .map(({ version }) => version),
    ).toEqual(['1.1.0', null]);
  });

  it('pin the model: it neither learns nor is replaced until it is unpinned, also over a crash', async () => {
    await withModel();
    await command({ command: 'pin' });
    const pinned = current();
    await flow(200);
    await driver.crash();
    await flow(100);
    expect(current()).toEqual(pinned);
    expect(registry().pinned?.number).toBe(2);
    await publishCandidate(pinned);
    const refused = await command({ command: 'promote', version: '1.1.0' });
    expect(refused.refusal).toMatch(/pinned by decision 2/);
    await command({ command: 'unpin' });
    expect(registry().pinned).toBeUndefined();
    await flow(200);
    expect(current().version).not.toBe(pinned.version);
    expect(await findingsIn(driver.broker)).toEqual([]);
  });
});
