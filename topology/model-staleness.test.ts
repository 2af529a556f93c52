// How old a model may be that points are still assigned with, on the whole pipeline, while its owner is down. Judged at the end.

import { afterEach, expect, it } from 'vitest';
import { chooseKernels, DeltaAccumulator } from '../clustering/index.ts';
import { UnansweredDeltas } from '../processors/unanswered-deltas.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import { encodeLearningMessage, encodeModelCommand, topics } from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { Random } from '../support/index.ts';
import { clusteringTopology } from './index.ts';
import { findingsIn, smallDriver, smallOptions, smallPoints } from './testing/small-pipeline.ts';

const stalenessMsMax = 1_000;
const owner = 'fold';

let driver: TopologyTestDriver;
let random: Random;
let produced = 0;

afterEach(() => driver.close());

async function start(limit?: number): Promise<void> {
  random = new Random(3);
  produced = 0;
  const model = { ...smallOptions.model, stalenessMsMax: limit };
  const topology = clusteringTopology({ ...smallOptions, model });
  driver = await TopologyTestDriver.create(topology, smallDriver);
  await flow(300);
  expect(await assigned()).toBe(300);
}

async function flow(count: number): Promise<void> {
  produced += count;
  await driver.pipe(topics.points, smallPoints(random, count));
  await driver.run();
}

async function assigned(): Promise<number> {
  const offsets = await driver.broker.listOffsets(topics.assignments);
  return offsets.reduce((sum, { end }) => sum + end, 0);
}

async function command(name: 'pin' | 'unpin'): Promise<void> {
  const about = { requestedBy: 'ann', reason: 'to see', timestampMs: 5 };
  await driver.pipe(topics.modelCommands, {
    value: encodeModelCommand({ command: name, ...about }),
  });
  await driver.run();
}

async function expectNothingLost(): Promise<void> {
  expect(await assigned()).toBe(produced);
  expect(await findingsIn(driver.broker)).toEqual([]);
}

it('points wait once what a task has learned is in no model for too long, and go on when the owner is back', async () => {
  await start(stalenessMsMax);
  driver.stopTasks(owner);
  await flow(100);
  await driver.advanceWallClock(stalenessMsMax);
  await flow(100);
  expect(await assigned()).toBe(500);
  expect(driver.waiting('assign_0')).toBeNull();
  await driver.advanceWallClock(200);
  await flow(100);
  expect(await assigned()).toBe(500);
  for (const partition of [0, 1]) {
    expect(driver.waiting(`assign_${partition}`)).toMatch(/model\.staleness\.max\.ms/);
  }
  expect(await driver.metrics.registry.metrics()).toMatch(
    /model_staleness_seconds\{task="assign_0"\} 1\.2/,
  );
  driver.startTasks(owner);
  await driver.run();
  expect(driver.waiting('assign_0')).toBeNull();
  await flow(100);
  await expectNothingLost();
});

it('go on however old the model is without a limit', async () => {
  await start();
  driver.stopTasks(owner);
  await flow(100);
  await driver.advanceWallClock(60_000);
  await flow(100);
  await driver.advanceWallClock(60_000);
  expect(await assigned()).toBe(500);
  driver.startTasks(owner);
  await driver.run();
  await expectNothingLost();
});

it('a delta that the owner refuses is answered too: it waits for no other', async () => {
  await start(stalenessMsMax);
  const models = driver.globalStore<ModelRegistry>('models');
  const { version, offsets } = models.current()!;
  const fromOffset = offsets[0]!.to;
  const about = { modelVersion: version, partition: 0, fromOffset, nextOffset: fromOffset + 10 };
  const unanswered = new UnansweredDeltas();
  unanswered.tick(0);
  unanswered.sent(about, models);
  unanswered.tick(10 * stalenessMsMax);
  expect(unanswered.ageMs(models)).toBe(10 * stalenessMsMax);
  const { kernels } = chooseKernels();
  const nothing = new DeltaAccumulator(models.current()!, 0, kernels).take();
  // A half-life in points knows no landmarks.
  const refused = { kind: 'delta', ...nothing, ...about, timestampMs: 5, landmarkMs: 0 } as const;
  const value = encodeLearningMessage(refused);
  await driver.pipe(topics.centroidDeltas, { value });
  await driver.run();
  expect(await driver.metrics.registry.metrics()).toMatch(/outcome="invalid"\} 1/);
  expect(models.current()!.version).toBe(version);
  expect(unanswered.ageMs(models)).toBe(0);
});

it('a record that cannot be read is counted, and answers nobody until there is a pin', async () => {
  await start(stalenessMsMax);
  const models = driver.globalStore<ModelRegistry>('models');
  const { version, offsets } = models.current()!;
  const fromOffset = offsets[0]!.to;
  const unanswered = new UnansweredDeltas();
  unanswered.tick(0);
  const about = { modelVersion: version, partition: 0, fromOffset, nextOffset: fromOffset + 10 };
  unanswered.sent(about, models);
  await driver.pipe(topics.centroidDeltas, { value: Uint8Array.of(7) });
  await driver.run();
  unanswered.tick(10 * stalenessMsMax);
  expect(await driver.metrics.registry.metrics()).toMatch(/outcome="invalid"\} 1/);
  expect(unanswered.ageMs(models)).toBe(10 * stalenessMsMax);
  await command('pin');
  await command('unpin');
  expect(unanswered.ageMs(models)).toBe(0);
});

it('a pinned model is as old as it is meant to be, and what a pin has left out is not waited for', async () => {
  await start(stalenessMsMax);
  await flow(100);
  await command('pin');
  await flow(100);
  await driver.advanceWallClock(10 * stalenessMsMax);
  await flow(100);
  expect(await assigned()).toBe(produced);
  expect(driver.globalStore<ModelRegistry>('models').pinned).toBeDefined();
  await command('unpin');
  await driver.advanceWallClock(10 * stalenessMsMax);
  await flow(100);
  await expectNothingLost();
});

it('a task that comes back after a crash while the owner is down begins to count anew, and waits again', async () => {
  await start(stalenessMsMax);
  driver.stopTasks(owner);
  await flow(100);
  await driver.advanceWallClock(2 * stalenessMsMax);
  await flow(100);
  expect(await assigned()).toBe(400);
  await driver.crash();
  await driver.run();
  expect(await assigned()).toBe(500);
  await driver.advanceWallClock(2 * stalenessMsMax);
  await flow(100);
  expect(await assigned()).toBe(500);
  driver.startTasks(owner);
  await driver.run();
  await expectNothingLost();
});
