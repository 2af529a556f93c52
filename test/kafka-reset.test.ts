// `meanstream reset` on a real Kafka: refused while a processor lives, then the same points are learned anew.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodes } from '../bin/exit-codes.ts';
import { topics } from '../schemas/index.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const points = 2_000;
const missing = ownKafkaMissing();
const title = 'a reset on Kafka';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;
  beforeAll(async () => {
    deployment = await KafkaDeployment.start({ 'model.k': 4, 'bootstrap.rows': 200 });
  }, 120_000);
  afterAll(() => deployment?.close());

  it('is refused while a processor lives, and after it all points are assigned once more', async () => {
    const mixture = new Mixture({ seed: 1, dims: 3, clusters: 4, badEvery: 0 });
    await deployment.write(Array.from({ length: points }, () => mixture.record()));
    const stateDir = { 'state.dir': deployment.stateDirOf('one') };
    const reset = (...args: string[]) => deployment.run(['reset', ...args], stateDir);

    const first = deployment.processor('one');
    await first.url();
    await deployment.drained();
    const alive = await reset('--yes');
    expect(alive.stdout).toMatch(/ points .* keep /);
    expect(alive.code).toBe(exitCodes.refused);
    expect(alive.stderr).toContain('1 live member;');
    const assignedBefore = await keptOffsets(topics.assignments);
    await first.process.end('SIGTERM');

    const before = await deployment.broker.describeTopics();
    const done = await reset('--yes');
    expect(done.stderr).toBe('');
    expect(done.code).toBe(exitCodes.ok);
    expect(existsSync(join(deployment.stateDirOf('one'), deployment.applicationId))).toBe(false);
    expect(await keptOffsets(topics.models)).toBe(0);
    expect(await keptOffsets(topics.assignments)).toBe(assignedBefore);
    expect(await deployment.lag([topics.points])).toBeGreaterThanOrEqual(points);
    const shape = ({ name, partitions }: { name: string; partitions: number }) =>
      `${name} ${partitions}`;
    expect((await deployment.broker.describeTopics()).map(shape)).toEqual(before.map(shape));

    const second = deployment.processor('one');
    await second.url();
    await deployment.drained();
    await eventually('all are assigned once more', async () => {
      return (await keptOffsets(topics.assignments)) >= assignedBefore + points;
    });
    await second.process.end('SIGTERM');
  }, 180_000);

  async function keptOffsets(topic: string): Promise<number> {
    const bounds = await deployment.broker.listOffsets(topic);
    return bounds.reduce((sum, { logStart, end }) => sum + end - logStart, 0);
  }
});
