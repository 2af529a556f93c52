// A first model so large that its fit takes longer than the session timeout, on a real Kafka with two processors: whoever gathered
// its points keeps its tasks and answers probes while it fits them; and when it is killed over it, another makes the same model.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const sessionTimeoutMs = 5_000;
const k = 512;
const dims = 128;
const n = 6_000;
/** It is reached in the middle of a batch. */
const bootstrapRows = 5_000;
const begun = /the first model is being fitted to (\d+) points/;
const seeded = /the first model is seeded: version 1\.0\.0/;

const missing = ownKafkaMissing();
const title = 'a first model that takes long on Kafka';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;
  let processors: DeployedProcessor[];

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': k, 'session.timeout.ms': sessionTimeoutMs },
      ...{ 'bootstrap.rows': bootstrapRows, 'bootstrap.wait.ms': 60_000 },
    });
    processors = [deployment.processor('one'), deployment.processor('two')];
    for (const processor of processors) {
      await eventually('it has tasks', async () => (await processor.running()).length > 0, 60_000);
    }
  }, 120_000);

  afterAll(() => deployment?.close());

  const whoSaid = (pattern: RegExp) =>
    processors.find(({ process }) => process.running && pattern.test(said(process)));

  it('is fitted by one that keeps its tasks, also after another was killed over it', async () => {
    const mixture = new Mixture({ seed: 3, dims, clusters: k, badEvery: 0 });
    await deployment.write(Array.from({ length: n }, () => mixture.record()));
    const first = await eventually('one fits it', () => whoSaid(begun));
    await first.process.end('SIGKILL');
    processors.push(deployment.processor('three'));
    const second = await eventually('another fits it', () => whoSaid(begun), 60_000);
    const begunAtMs = Date.now();

    let longestMs = 0;
    let waiting: string | null | undefined;
    await eventually(
      'it is seeded',
      async () => {
        const askedAtMs = Date.now();
        const tasks = await second.tasks();
        longestMs = Math.max(longestMs, Date.now() - askedAtMs);
        waiting ??= tasks.find(({ taskId }) => taskId.startsWith('fold'))?.waiting;
        return whoSaid(seeded);
      },
      90_000,
    );
    expect(Date.now() - begunAtMs).toBeGreaterThan(sessionTimeoutMs);
    expect(longestMs).toBeLessThan(sessionTimeoutMs);
    expect(waiting).toMatch(/the first model to be fitted to \d+ points/);
    const all = processors.map(({ process }) => said(process)).join('\n');
    expect(all.match(new RegExp(begun, 'g'))).toHaveLength(2);
    expect(all).not.toContain('MEANSTREAM_TASK_MIGRATED');
    expect(begun.exec(said(second.process))![1]).toBe(begun.exec(said(first.process))![1]);

    await deployment.drained(120_000);
    const running = processors.filter((processor) => processor !== first);
    const ends = running.map(({ process }) => process.end('SIGTERM'));
    expect(await Promise.all(ends)).toEqual([0, 0]);
    const verified = await deployment.run(['verify', '--json']);
    expect(verified.code, verified.stderr).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ findings: [] });
  }, 300_000);

  const said = ({ stdout, stderr }: DeployedProcessor['process']): string => stdout + stderr;
});
