import { afterEach, expect, it } from 'vitest';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  type DriftReport,
  decodeRetrainCommand,
  encodeDrift,
  type RetrainCommand,
  topics,
} from '../schemas/index.ts';
import { ManualClock, Random } from '../support/index.ts';
import { type ClusteringOptions, clusteringTopology } from './index.ts';

const hourMs = 3_600_000;
const options: ClusteringOptions = {
  model: { k: 2, seed: 7 },
  bootstrap: { rows: 40, waitMs: 1_000 },
  points: { format: 'json', bytesMax: 10_000 },
  codeVersion: 'test',
};
let driver: TopologyTestDriver;

afterEach(() => driver.close());

async function start(retrain: ClusteringOptions['retrain']): Promise<void> {
  const clock = new ManualClock(Date.parse('2026-05-01T10:00:00Z'));
  driver = await TopologyTestDriver.create(clusteringTopology({ ...options, retrain }), { clock });
  await driver.run();
}

async function learn(points: number): Promise<void> {
  const random = new Random(points);
  const records = Array.from({ length: points }, (_, i) => {
    const vector = [10 * (i % 2) + random.normal(), random.normal()];
    return { key: `${i}`, value: JSON.stringify({ vector }) };
  });
  await driver.pipe(topics.points, records);
  await driver.run();
}

async function requests(): Promise<RetrainCommand[]> {
  const commands = (await driver.read(topics.modelCommands)).map(({ value }) =>
    decodeRetrainCommand(value!),
  );
  return commands.filter((command) => command?.command === 'retrain');
}

const alarm: DriftReport = {
  ...{ window: 3, modelVersion: '1.0.2', timestampMs: 0, count: 100, psi: 1, pageHinkley: 0 },
  ...{ pageHinkleyThreshold: 1, featureShift: 0, meanStandardisedDistance: 1, outlierRate: 0 },
  ...{ level: 'alarm', detectors: ['psi', 'feature-shift'] },
};
const pipeAlarm = (report: DriftReport) =>
  driver.pipe(topics.drift, { value: encodeDrift(report) });

it('asks when the schedule says so, once a due time, through crashes at every point', async () => {
  await start({ schedule: '0 * * * *' });
  await learn(100);
  await driver.advanceWallClock(1_000);
  expect(await requests()).toEqual([]);
  driver.clock.advance(hourMs - 2_000);
  await driver.process();
  await driver.crash();
  await driver.advanceWallClock(2_000);
  expect((await requests()).map(({ trigger, reason }) => [trigger, reason])).toEqual([
    ['schedule', '0 * * * *, due 2026-05-01T11:00:00.000Z'],
  ]);
  await driver.crash();
  await driver.advanceWallClock(5_000);
  expect(await requests()).toEqual([]);
  driver.clock.advance(hourMs);
  await driver.process();
  await driver.crash();
  await driver.advanceWallClock(1_000);
  expect(await requests()).toHaveLength(1);
});

it('makes up for what fell due while nobody was there by one request', async () => {
  await start({ schedule: '0 * * * *' });
  await learn(100);
  await driver.advanceWallClock(1_000);
  await driver.close();
  driver.clock.advance(5 * hourMs);
  await driver.crash();
  await driver.advanceWallClock(1_000);
  expect((await requests()).map(({ reason }) => reason)).toEqual([
    '0 * * * *, due 2026-05-01T11:00:00.000Z',
  ]);
});

it('asks after so many points', async () => {
  await start({ everyPoints: 150 });
  await learn(100);
  await driver.advanceWallClock(1_000);
  await learn(149);
  await driver.advanceWallClock(1_000);
  expect(await requests()).toEqual([]);
  await learn(1);
  await driver.advanceWallClock(1_000);
  await driver.crash();
  await driver.advanceWallClock(1_000);
  expect(await requests()).toMatchObject([{ trigger: 'points' }]);
});

it('asks when the model in use has drifted, within cool-down and budget', async () => {
  await start({ onDrift: { cooldownMs: hourMs, budgetPerDay: 2 } });
  await pipeAlarm(alarm);
  await driver.run();
  expect(await requests(), 'there is no model').toEqual([]);
  await learn(100);
  await pipeAlarm({ ...alarm, modelVersion: '0.9.1' });
  await pipeAlarm({ ...alarm, level: 'warning' });
  await driver.run();
  expect(await requests(), 'another generation, or no alarm').toEqual([]);
  for (let i = 0; i < 5; i += 1) {
    await pipeAlarm(alarm);
    await driver.run();
    await driver.advanceWallClock(hourMs / 2);
  }
  expect((await requests()).map(({ trigger, reason }) => [trigger, reason])).toEqual([
    ['drift', 'drift: psi, feature-shift'],
    ['drift', 'drift: psi, feature-shift'],
  ]);
});

it('is no task where nothing is to ask, and leaves the fold to its own commands', async () => {
  const ids = (retrain: ClusteringOptions['retrain']) =>
    clusteringTopology({ ...options, retrain })
      .subTopologies()
      .map(({ id }) => id);
  expect(ids({ schedule: undefined })).toEqual(['assign', 'fold', 'detect-drift']);
  expect(ids({ everyPoints: 5 })).toContain('request-retrains');
  await start({ everyPoints: 100 });
  await learn(300);
  await driver.advanceWallClock(1_000);
  await learn(200);
  await driver.advanceWallClock(1_000);
  expect(await requests()).not.toEqual([]);
  await learn(20);
  const models = await driver.read(topics.models);
  expect(models.length).toBeGreaterThan(2);
});
