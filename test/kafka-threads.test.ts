// Processors of two threads each on a real Kafka, with standbys: one process is killed, and the other has its state.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RuntimeStatus } from '../runtime/index.ts';
import { changelogTopic } from '../schemas/index.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const missing = ownKafkaMissing();
const title = 'two processors of two threads on Kafka, with standbys';
const pointsTotal = 30_000;
const tasksTotal = 6;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  const mixture = new Mixture({ seed: 3, dims: 4, clusters: 4, badEvery: 1_000_000 });
  let deployment: KafkaDeployment;
  let one: DeployedProcessor;
  let two: DeployedProcessor;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': 4, 'session.timeout.ms': 3_000, 'batch.rows.max': 256 },
      ...{ 'commit.interval.ms': 20, 'num.stream.threads': 2, 'num.standby.replicas': 1 },
    });
    one = deployment.processor('one');
    two = deployment.processor('two');
  }, 120_000);

  afterAll(() => deployment?.close());

  async function feed(rows: number): Promise<void> {
    await deployment.write(Array.from({ length: rows }, () => mixture.record()));
    await deployment.drained();
  }

  async function status(of: DeployedProcessor) {
    const answer = await fetch(`${await of.url()}/readyz?verbose`);
    return ((await answer.json()) as { detail: Pick<RuntimeStatus, 'tasks' | 'replicas'> }).detail;
  }

  async function sumOf(of: DeployedProcessor, metric: string): Promise<number> {
    const lines = (await of.metrics()).split('\n').filter((line) => line.startsWith(metric));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  it('shares the tasks, each process with all of its threads in one status and one set of metrics', async () => {
    await eventually('all tasks run', async () => {
      return (await one.running()).length + (await two.running()).length === tasksTotal;
    });
    await feed(pointsTotal);
    expect(await deployment.broker.groupMembers(deployment.applicationId)).toBe(4);
    const assigned = 'meanstream_points_assigned_total';
    const counted = async () => (await sumOf(one, assigned)) + (await sumOf(two, assigned));
    await eventually('all points are counted', async () => (await counted()) === pointsTotal);
    expect(await sumOf(one, 'meanstream_partitions_assigned')).toBe((await one.running()).length);
    expect(await sumOf(one, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  }, 90_000);

  it('promotes the standby of a killed process without a full restore', async () => {
    const stateful = ['fold_0', 'detect-drift_0'];
    const changelog = changelogTopic(deployment.applicationId, 'centroids');
    const size = async () => (await deployment.broker.listOffsets(changelog))[0]!.end;
    while ((await size()) <= 100) await feed(200);
    await eventually('every copy has caught up', async () => {
      const { replicas } = await status(one);
      const others = (await status(two)).replicas;
      const copies = [...replicas, ...others];
      return copies.length === stateful.length && copies.every(({ lag }) => lag === 0);
    });
    const isOne = (await one.running()).includes('fold_0');
    const [victim, survivor] = isOne ? [one, two] : [two, one];
    const end = await size();
    const owner = 'meanstream_restored_records_total{role="owner"}';
    const before = await sumOf(survivor, owner);
    await victim.process.end('SIGKILL');
    await eventually('the survivor has all', async () => {
      return (await survivor.running()).length === tasksTotal;
    });
    expect((await sumOf(survivor, owner)) - before).toBeLessThan(end / 4);
    await feed(2_000);
    expect(await survivor.process.end('SIGTERM')).toBe(0);
  }, 90_000);
});
