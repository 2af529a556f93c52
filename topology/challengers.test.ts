import { afterEach, expect, it } from 'vitest';
import { readAll } from '../runtime/testing/read-all.ts';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import { type ChallengerReport, decodeChallengerReport, topics } from '../schemas/index.ts';
import { Random } from '../support/index.ts';
import { type ClusteringOptions, clusteringTopology } from './index.ts';

const points = (value: number) => ({ unit: 'points', value }) as const;
const options: ClusteringOptions = {
  model: { k: 3, seed: 7, halfLife: points(100_000) },
  bootstrap: { rows: 300, waitMs: 1_000 },
  points: { format: 'json', bytesMax: 10_000 },
  challengers: {
    list: [
      { name: 'half.life=2000 points', k: undefined, halfLife: points(2_000) },
      { name: 'k=5', k: 5, halfLife: undefined },
    ],
    sampleEvery: 2,
  },
  codeVersion: 'test',
};
let driver: TopologyTestDriver;
let sent = 0;
let random: Random;

afterEach(() => driver.close());

async function start(changes: Partial<ClusteringOptions> = {}): Promise<void> {
  sent = 0;
  random = new Random(2);
  const partitions = { points: 2, assignments: 2, 'dead-letters': 2 };
  const topology = clusteringTopology({ ...options, ...changes });
  driver = await TopologyTestDriver.create(topology, { partitions, batchRowsMax: 200 });
}

/** Three groups that walk, as far as there are points. */
async function pipe(count: number): Promise<void> {
  const records = Array.from({ length: count }, () => {
    const at = sent++;
    const vector = [20 * (at % 3) + at / 500 + random.normal(), random.normal()];
    return { key: `p${at}`, value: JSON.stringify({ vector }), partition: at % 2 };
  });
  await driver.pipe(topics.points, records);
  await driver.run();
}

async function reports(): Promise<ChallengerReport[]> {
  const records = await driver.read(topics.challengers);
  return records.map(({ value }) => decodeChallengerReport(value!));
}

const times = { timestampMs: 0, startedAtMs: 0, modelVersion: '' };
const comparable = (report: ChallengerReport) => ({ ...report, ...times });

it('compares models with other parameters on a sample, beside the one in use', async () => {
  await start();
  for (let part = 0; part < 20; part += 1) await pipe(1_000);
  const latest = (await reports()).at(-1)!;
  expect(latest.contenders.map(({ name, k }) => [name, k])).toEqual([
    ['in use', 3],
    ['half.life=2000 points', 3],
    ['k=5', 5],
  ]);
  expect(latest.points).toBe(2 * latest.sampled);
  expect(latest.recommended).toBe('half.life=2000 points');
  expect(latest.contenders[1]!.change).toBeLessThan(-0.1);
});

it('says the same of the same samples through crashes, from its changelog', async () => {
  await start();
  for (let part = 0; part < 16; part += 1) await pipe(1_000);
  const undisturbed = (await reports()).map(comparable);
  expect(undisturbed.length).toBeGreaterThan(2);
  const samples = await readAll(driver.broker, topics.samples);
  const models = await readAll(driver.broker, topics.models);
  await driver.close();
  await start();
  await driver.pipe(topics.models, models);
  await driver.run();
  for (const sample of samples) {
    await driver.pipe(topics.samples, sample);
    await driver.process();
    await driver.crash();
    await driver.run();
    await driver.crash();
  }
  expect((await reports()).map(comparable)).toEqual(undisturbed);
});

it('begins anew when the challengers are others, and goes on when they are the same', async () => {
  await start();
  for (let part = 0; part < 6; part += 1) await pipe(1_000);
  const before = (await reports()).at(-1)!;
  await driver.crash();
  for (let part = 0; part < 3; part += 1) await pipe(1_000);
  const after = (await reports()).at(-1)!;
  expect(after.startedAtMs).toBe(before.startedAtMs);
  expect(after.sampled).toBeGreaterThan(before.sampled);
});

it('costs nothing when there are none: no task, no sample', async () => {
  await start({ challengers: { list: [], sampleEvery: 2 } });
  const topology = clusteringTopology({ ...options, challengers: undefined });
  expect(topology.subTopologies().map(({ id }) => id)).toEqual(['assign', 'fold', 'detect-drift']);
  await pipe(1_000);
  expect(await driver.broker.describeTopics([topics.samples])).toEqual([]);
});
