// Two processors that promise at least once, killed and frozen in the middle of points on a real Kafka. Kafka's own Java consumer
// counts: nothing may be lost, and what came twice is what they had in hand.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { decodeLogs } from './oracle/decode-logs.ts';
import { type Account, accountFor } from './support/accounting.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';
import { type RecordedRun, readRun } from './support/recorded-run.ts';

const burst = 10_000;
const seed = Date.now() % 1_000_000;
const missing = ownKafkaMissing();
const title = `two processors, at least once, killed in the middle of points (seed ${seed})`;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  const random = new Random(seed);
  const mixture = new Mixture({ seed, dims: 8, clusters: 8, badEvery: 199 });
  const processors = new Map<string, DeployedProcessor>();
  let deployment: KafkaDeployment;
  let records: RecordedRun;
  let account: Account;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': 8, 'model.seed': 1, 'session.timeout.ms': 3_000, 'batch.rows.max': 512 },
      'processing.guarantee': 'at_least_once',
    });
    await feed();
    for (const name of ['one', 'two']) {
      processors.set(name, deployment.processor(name));
      await eventually(`tasks for ${name}`, () => works(name));
    }
    // Between the appends and the offsets: what was appended is made again for certain.
    for (const arrival of [2, 4, 6]) await dieOnceProduced(arrival);
    await kill('one');
    await freeze('two', 'one');
    await kill('two');
    await feed();
    await deployment.drained();
    const ends = [...processors.values()].map(({ process }) => process.end('SIGTERM'));
    expect(await Promise.all(ends)).toEqual([0, 0]);
    records = await readRun(deployment);
    account = accountFor(records.points, records.assignments, records.deadLetters);
  }, 300_000);

  afterAll(() => deployment?.close());

  let written = 0;

  async function feed(rows = burst): Promise<void> {
    await deployment.write(Array.from({ length: rows }, () => mixture.record()));
    written += rows;
  }

  async function works(name: string): Promise<boolean> {
    const tasks = await processors.get(name)!.tasks();
    return tasks.length > 0 && tasks.every(({ state }) => state === 'RUNNING');
  }

  async function dieOnceProduced(arrival: number): Promise<void> {
    await processors.get('two')!.process.end('SIGTERM');
    const environment = { MEANSTREAM_TEST_CRASH_POINT: `produced:${arrival}` };
    const doomed = deployment.processor('two', {}, environment);
    await doomed.url();
    while (doomed.process.running) {
      await feed(500);
      await sleep(50);
    }
    expect(await doomed.process.exit()).toBe('SIGKILL');
    processors.set('two', deployment.processor('two'));
    await eventually('it is back', () => works('two'));
  }

  async function kill(name: string): Promise<void> {
    await feed();
    await sleep(random.below(120));
    await processors.get(name)!.process.end('SIGKILL');
    processors.set(name, deployment.processor(name));
    await eventually(`${name} is back`, () => works(name));
  }

  /** It sleeps until the group has given its tasks away, and wakes up with its work half done. */
  async function freeze(sleeper: string, other: string): Promise<void> {
    const { pid } = processors.get(sleeper)!.process;
    await feed();
    await sleep(random.below(120));
    process.kill(pid, 'SIGSTOP');
    await eventually('all tasks awake', async () => {
      return (await processors.get(other)!.running()).length === 6;
    });
    process.kill(pid, 'SIGCONT');
    await eventually('its share again', () => works(sleeper));
  }

  it('lost nothing, as Java reads it', () => {
    expect(account.points).toBe(written);
    expect(account.lost).toEqual([]);
  });

  it('repeated some of what was in hand at a death, and counts add up', () => {
    expect(account.repeated.length).toBeGreaterThan(0);
    expect(account.repeated.length).toBeLessThan(written);
    expect(account.assignments + account.deadLetters).toBe(
      account.points + account.repeated.length,
    );
  });

  it('learned from every point: the ranges of its deltas leave none out', () => {
    const { points, centroidDeltas } = decodeLogs(records);
    const learned = centroidDeltas
      .map(({ message }) => message)
      .filter(({ kind }) => kind === 'delta');
    const leftOut = points.filter(
      ({ partition, offset }) =>
        !learned.some(
          (it) => it.partition === partition && it.fromOffset <= offset && offset < it.nextOffset,
        ),
    );
    expect(leftOut).toEqual([]);
  });
});
