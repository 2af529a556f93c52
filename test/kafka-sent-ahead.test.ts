// A backlog on a real Kafka, so that outputs go to the log ahead of their commit, and a processor that dies right after Kafka has
// acknowledged some. Kafka's own Java consumer counts: what was sent and not committed is seen by nobody and made again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Account, accountFor } from './support/accounting.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';
import { readRun } from './support/recorded-run.ts';

/** Megabytes of assignments for each of four tasks. */
const backlog = 60_000;
const seed = Date.now() % 1_000_000;
const missing = ownKafkaMissing();
const title = `a processor that dies with outputs sent ahead (seed ${seed})`;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  const mixture = new Mixture({ seed, dims: 4, clusters: 8, badEvery: 1_999 });
  let deployment: KafkaDeployment;
  let account: Account;
  let written = 0;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': 8, 'model.seed': 1, 'session.timeout.ms': 3_000 },
      // So long that a task has more than a megabyte before it commits.
      'commit.interval.ms': 1_000,
    });
    for (const arrival of [1, 2, 5]) await dieOnceSent(arrival);
    const last = deployment.processor('one');
    await deployment.drained();
    expect(await last.process.end('SIGTERM')).toBe(0);
    const { points, assignments, deadLetters } = await readRun(deployment);
    account = accountFor(points, assignments, deadLetters);
  }, 300_000);

  afterAll(() => deployment?.close());

  async function feed(rows: number): Promise<void> {
    await deployment.write(Array.from({ length: rows }, () => mixture.record()));
    written += rows;
  }

  async function dieOnceSent(arrival: number): Promise<void> {
    await feed(backlog);
    const environment = { MEANSTREAM_TEST_CRASH_POINT: `sent-ahead:${arrival}` };
    const doomed = deployment.processor('one', {}, environment);
    await eventually('it dies', async () => {
      if (!doomed.process.running) return true;
      await feed(20_000);
      await sleep(100);
      return false;
    });
    expect(await doomed.process.exit()).toBe('SIGKILL');
  }

  it('loses, repeats and reorders nothing, as Java reads it', () => {
    expect(account.points).toBe(written);
    expect(account.lost).toEqual([]);
    expect(account.repeated).toEqual([]);
    expect(account.outOfOrder).toEqual([]);
    expect(account.assignments + account.deadLetters).toBe(written);
  });
});
