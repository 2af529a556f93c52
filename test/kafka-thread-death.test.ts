// A processor of three threads on a real Kafka. One thread exits, another ends of an exception, both in the middle of
// points: each is replaced, the process lives on, and nothing of it shows in what came out or was learned.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judge } from './oracle/clustering-oracle.ts';
import { decodeLogs } from './oracle/decode-logs.ts';
import { accountFor } from './support/accounting.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';
import {
  hashOf,
  isAsWorkedOut,
  keptStore,
  productStores,
  readRun,
  replayChangelog,
} from './support/recorded-run.ts';
import { environmentToInspect, runInThread } from './support/thread-inspector.ts';

const missing = ownKafkaMissing();
const title = 'a processor of three threads on Kafka';
const model = { k: 4, seed: 1 };
const threads = 3;
const tasksTotal = 6;
const pointsPerDeath = 20_000;
const rowsPerWrite = 500;
const pausesMs = 20;
const patienceMs = 120_000;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  const mixture = new Mixture({ seed: 5, dims: 4, clusters: model.k, badEvery: 997 });
  let deployment: KafkaDeployment;
  let processor: DeployedProcessor;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': model.k, 'model.seed': model.seed, 'batch.rows.max': 256 },
      ...{ 'commit.interval.ms': 20, 'num.stream.threads': threads, 'session.timeout.ms': 3_000 },
    });
    processor = deployment.processor('one', {}, environmentToInspect);
    await untilAllRun();
  }, patienceMs);

  afterAll(() => deployment?.close());

  async function untilAllRun(): Promise<void> {
    const all = async () => (await processor.running()).length === tasksTotal;
    await eventually('all tasks run', all, patienceMs);
  }

  async function feed(): Promise<void> {
    for (let rows = 0; rows < pointsPerDeath; rows += rowsPerWrite) {
      await deployment.write(Array.from({ length: rowsPerWrite }, () => mixture.record()));
      await sleep(pausesMs);
    }
  }

  function replacedThreads(): number {
    return processor.process.stderr.split('another takes its place').length - 1;
  }

  it.each([
    ['exits', 0, 'process.exit(7)'],
    ['ends of an exception', 1, 'setImmediate(() => { throw new Error("a fault of a thread"); })'],
  ])(
    'replaces a thread that %s, and its tasks run again',
    async (_, thread, expression) => {
      const before = replacedThreads();
      const feeding = feed();
      await sleep((pausesMs * pointsPerDeath) / rowsPerWrite / 4);
      await runInThread(processor.process, thread, expression);
      await eventually('replaced', () => replacedThreads() > before, patienceMs);
      await feeding;
      await untilAllRun();
      await deployment.drained(patienceMs);
      expect(replacedThreads()).toBe(before + 1);
      const members = async () =>
        (await deployment.broker.groupMembers(deployment.applicationId)) === threads;
      await eventually('the dead member is gone', members, patienceMs);
    },
    patienceMs,
  );

  it(
    'has lost, repeated and mislearned nothing, as Java and the oracle see it',
    async () => {
      expect(await processor.process.end('SIGTERM')).toBe(0);
      const run = await readRun(deployment);
      const account = accountFor(run.points, run.assignments, run.deadLetters);
      const none = { lost: [], repeated: [], outOfOrder: [] };
      expect(account).toMatchObject({ ...none, points: 2 * pointsPerDeath });
      expect(account.assignments + account.deadLetters).toBe(account.points);
      const verdict = judge(decodeLogs(run), {
        ...{ format: 'json', scaling: true, halfLife: { unit: 'points', value: 1_000 * model.k } },
        ...model,
      });
      expect(verdict.findings).toEqual([]);
      for (const store of productStores) {
        const { entries, lastOffset } = await replayChangelog(deployment, store[1]);
        const kept = await keptStore(deployment, 'one', store);
        expect(kept.changelogOffset).toBeGreaterThan(lastOffset);
        expect(hashOf(kept.entries)).toBe(hashOf(entries));
        if (store[1] === 'centroids') {
          expect(await isAsWorkedOut(entries, verdict.final)).toBe(true);
        }
      }
    },
    patienceMs,
  );
});
