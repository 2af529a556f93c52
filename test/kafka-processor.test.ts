// Two processors on a real Kafka, killed, killed again, stopped and frozen in the middle of 200,000 points. What came out is
// read by Kafka's own Java consumer; what was learned is worked out again by the oracle, and looked up in the stores.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { topics } from '../schemas/index.ts';
import { Random } from '../support/index.ts';
import { judge, type RecordedLogs } from './oracle/clustering-oracle.ts';
import { decodeLogs } from './oracle/decode-logs.ts';
import { type Account, accountFor } from './support/accounting.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { eventually, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';
import {
  keptStore,
  productStores,
  type RecordedRun,
  readRun,
  replayChangelog,
  textOf,
} from './support/recorded-run.ts';

const pointsTotal = 200_000;
/** Every burst is a backlog for somebody to die in. */
const burst = 20_000;
const badEvery = 199;
const allTasks = [
  'assign_0',
  'assign_1',
  'assign_2',
  'assign_3',
  'detect-drift_0',
  'fold_0',
] as const;
const model = { k: 8, dims: 8, seed: 1 };
const sessionTimeoutMs = 3_000;
const seed = Date.now() % 1_000_000;

const missing = ownKafkaMissing();
const title = `two processors on Kafka, killed in the middle of ${pointsTotal} points (seed ${seed})`;

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  const random = new Random(seed);
  const mixture = new Mixture({ seed, dims: model.dims, clusters: model.k, badEvery });
  const processors = new Map<string, DeployedProcessor>();
  let deployment: KafkaDeployment;
  const deaths: Death[] = [];
  let account: Account;
  let records: RecordedRun;
  let logs: RecordedLogs;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({
      'model.k': model.k,
      'model.seed': model.seed,
      'session.timeout.ms': sessionTimeoutMs,
      // A burst is many batches, and so at least two commits.
      'batch.rows.max': 1_024,
    });
    await feed(burst);
    await Promise.all([start('one'), start('two')]);
    const isOne = (await processors.get('one')!.running()).includes('fold_0');
    const [learner, other] = isOne ? (['one', 'two'] as const) : (['two', 'one'] as const);
    await killAndWait(learner, other);
    await killAndHurry(learner);
    await stopInOrder(other);
    await freeze(learner, other);
    await feed(pointsTotal - written);
    await deployment.drained();
    const ends = [...processors.values()].map(({ process }) => process.end('SIGTERM'));
    expect(await Promise.all(ends)).toEqual([0, 0]);
    records = await readRun(deployment);
    account = accountFor(records.points, records.assignments, records.deadLetters);
    logs = decodeLogs(records);
  }, 300_000);

  afterAll(() => deployment?.close());

  let written = 0;

  async function feed(rows: number): Promise<void> {
    await deployment.write(Array.from({ length: rows }, () => mixture.record()));
    written += rows;
  }

  /** A burst over some seconds, so that tasks change hands while they work. */
  async function feedSlowly(): Promise<void> {
    for (let part = 0; part < 40; part += 1) {
      await feed(burst / 40);
      await sleep(60);
    }
  }

  async function start(name: string): Promise<void> {
    processors.set(name, deployment.processor(name));
    await eventually(`tasks for ${name}`, () => works(name));
  }

  /** It has tasks, and all of them run. */
  async function works(name: string): Promise<boolean> {
    const tasks = await processors.get(name)!.tasks();
    return tasks.length > 0 && tasks.every(({ state }) => state === 'RUNNING');
  }

  async function hasTakenAll(name: string): Promise<boolean> {
    const running = await processors.get(name)!.running();
    return allTasks.every((task) => running.includes(task));
  }

  async function killInTheMiddle(name: string): Promise<void> {
    const { process } = processors.get(name)!;
    const tasks = await processors.get(name)!.running();
    await feed(burst);
    await sleep(random.below(120));
    deaths.push({ atMs: Date.now(), tasks });
    await process.end('SIGKILL');
  }

  /** The other takes everything over, then shares again. */
  async function killAndWait(victim: string, survivor: string): Promise<void> {
    await killInTheMiddle(victim);
    await eventually('all tasks at the survivor', () => hasTakenAll(survivor));
    await Promise.all([start(victim), feedSlowly()]);
  }

  /** It is back before the group has missed it. */
  async function killAndHurry(victim: string): Promise<void> {
    await killInTheMiddle(victim);
    await Promise.all([start(victim), feedSlowly()]);
  }

  async function stopInOrder(name: string): Promise<void> {
    await feed(burst);
    await sleep(random.below(120));
    expect(await processors.get(name)!.process.end('SIGTERM')).toBe(0);
    await start(name);
  }

  /** It sleeps until the group has given its tasks away, and wakes up with its work half done. */
  async function freeze(sleeper: string, other: string): Promise<void> {
    const { pid } = processors.get(sleeper)!.process;
    await feed(burst);
    await sleep(random.below(120));
    process.kill(pid, 'SIGSTOP');
    await eventually('all tasks awake', () => hasTakenAll(other));
    process.kill(pid, 'SIGCONT');
    await feedSlowly();
    await eventually('its share again', () => works(sleeper));
  }

  it('died with work in hand', () => {
    for (const death of deaths) expect(leftAt(death)).toBeGreaterThan(0);
  });

  /** Points of its partitions that were in the log when it died, and were learned only later. */
  function leftAt({ atMs, tasks }: Death): number {
    const timestamps = new Map(records.centroidDeltas.map((it) => [it.offset, it.timestamp]));
    const later = logs.centroidDeltas.filter(({ offset }) => timestamps.get(offset)! > atMs);
    const ranges = later.map(({ message }) => message).filter(({ kind }) => kind === 'delta');
    const left = logs.points.filter(
      ({ partition, offset, timestamp }) =>
        timestamp <= atMs &&
        tasks.includes(`assign_${partition}`) &&
        ranges.some(
          (it) => it.partition === partition && it.fromOffset <= offset && offset < it.nextOffset,
        ),
    );
    return left.length;
  }

  it('lost nothing, repeated nothing and kept the order, as Java reads it', () => {
    expect(account.lost).toEqual([]);
    expect(account.repeated).toEqual([]);
    expect(account.outOfOrder).toEqual([]);
  });

  it('has in = out + dead letters', () => {
    const bad = Math.floor(pointsTotal / badEvery);
    expect(account.points).toBe(pointsTotal);
    expect(account.deadLetters).toBe(bad);
    expect(account.assignments).toBe(pointsTotal - bad);
  });

  it('gives every dead letter as it came, with the reason', () => {
    const { points, deadLetters } = records;
    const sources = new Map(points.map((point) => [`${point.partition}-${point.offset}`, point]));
    const reasons = new Set<string>();
    for (const { key, value, headers } of deadLetters) {
      const header = new Map(headers.map((it) => [it.key, textOf(it.value)]));
      const at = `${header.get('__streams.errors.partition')}-${header.get('__streams.errors.offset')}`;
      const source = sources.get(at)!;
      expect(textOf(key)).toBe(textOf(source.key));
      expect(textOf(value)).toBe(textOf(source.value));
      expect(header.get('__streams.errors.topic')).toBe(topics.points);
      expect(header.get('__streams.errors.message')).toMatch(/\w+ \w+/);
      reasons.add(header.get('meanstream.reason')!);
    }
    expect(reasons.size).toBeGreaterThanOrEqual(4);
  });

  it('learned what the oracle works out from the logs, bit for bit', () => {
    const { k, seed } = model;
    const verdict = judge(logs, {
      ...{ format: 'json', scaling: true, halfLife: { unit: 'points', value: 1_000 * k } },
      ...{ k, seed },
    });
    expect(verdict.findings).toEqual([]);
    expect(verdict.modelsChecked).toBeGreaterThanOrEqual(2);
    expect(verdict.final!.version).toBe(logs.models.at(-1)!.model.version);
  }, 60_000);

  it.each(productStores)('keeps in the store of %s what its changelog says', async (...store) => {
    const replayed = await replayChangelog(deployment, store[1]);
    const all = await Promise.all(['one', 'two'].map((name) => keptStore(deployment, name, store)));
    const kept = all
      .filter(({ changelogOffset }) => changelogOffset > replayed.lastOffset)
      .map(({ entries }) => entries);
    expect(replayed.entries.size).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(0);
    for (const entries of kept) expect(entries).toEqual(replayed.entries);
  });
});

interface Death {
  readonly atMs: number;
  readonly tasks: readonly string[];
}
