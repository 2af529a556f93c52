// A retrain that is asked for of a model so large that the fit on its sample takes longer than the session timeout, and its sample
// is larger than a record may be, on a real Kafka, with two processes that serve retrains: whoever leads keeps the job to its end.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendOnce } from '../broker/index.ts';
import {
  commandAppend,
  decodeRetrainState,
  encodeRetrainCommand,
  type RetrainState,
  topics,
} from '../schemas/index.ts';
import { systemClock } from '../support/index.ts';
import { dumpTopic } from './support/dump-topic.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const sessionTimeoutMs = 3_000;
const k = 512;
const dims = 128;
/** More than the 64 · k rows of a sample, which take 17 MB. */
const n = 36_000;

const missing = ownKafkaMissing();
const title = 'a retrain of a large model on Kafka';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      ...{ 'model.k': k, 'session.timeout.ms': sessionTimeoutMs },
    });
    const mixture = new Mixture({ seed: 3, dims, clusters: k, badEvery: 0 });
    for (let row = 0; row < n; row += 2_000) {
      await deployment.write(Array.from({ length: 2_000 }, () => mixture.record()));
    }
    deployment.processor('one');
    await eventually('all points are assigned', async () => (await assigned()) >= n, 120_000);
    for (const name of ['left', 'right']) {
      deployment.start(['retrain', '--serve'], { 'group.instance.id': name });
    }
  }, 240_000);

  afterAll(() => deployment?.close());

  async function assigned(): Promise<number> {
    const offsets = await deployment.broker.listOffsets(topics.assignments);
    return offsets.reduce((sum, { end }) => sum + end, 0);
  }

  async function states(): Promise<RetrainState[]> {
    const records = await dumpTopic(deployment.broker, topics.retrains);
    return records.map(({ value }) => decodeRetrainState(value!));
  }

  it('is done by the one that began it', async () => {
    const timestampMs = systemClock.nowMs();
    const value = encodeRetrainCommand({
      ...{ command: 'retrain', trigger: 'hand', requestedBy: 'test', reason: 'to see' },
      timestampMs,
    });
    await appendOnce(deployment.broker, [commandAppend(value, timestampMs)]);
    const ended = await eventually(
      'it has an outcome',
      async () => (await states()).find(({ report, error }) => report !== null || error !== null),
      180_000,
    );
    expect(ended).toMatchObject({ state: 'done', error: null, report: { points: n } });
    expect(ended.endedAtMs! - ended.startedAtMs!).toBeGreaterThan(sessionTimeoutMs);
    const begun = (await states()).map(({ runner, startedAtMs }) => `${runner} at ${startedAtMs}`);
    expect(new Set(begun).size).toBe(1);
  }, 200_000);
});
