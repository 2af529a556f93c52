// kill -9 in the middle of 200,000 points on the embedded log, again and again, and a Ctrl-C: nothing is lost or repeated,
// and everything learned equals what the oracle computes from the log.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { topicSpecs, topics } from '../schemas/index.ts';
import { CentroidStore, ChangelogStore, openEngine } from '../state-stores/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';
import { judge, type Verdict } from './oracle/clustering-oracle.ts';
import { decodeLogs } from './oracle/decode-logs.ts';
import { type Account, accountFor } from './support/accounting.ts';
import { type Dump, dumpLog, openLog } from './support/embedded-log.ts';
import { eventually, MeanstreamProcess, sleep } from './support/meanstream-process.ts';
import { metricSum } from './support/metrics.ts';
import { Mixture } from './support/mixture.ts';

const pointsTotal = 200_000;
const partitions = 4;
const badEvery = 197;
const kills = 5;
const seed = Number(Date.now() % 1_000_000);

describe(`kill -9 in the middle of ${pointsTotal} points (seed ${seed})`, () => {
  let dataDir: string;
  let dumped: Dump;
  let account: Account;
  let verdict: Verdict;
  let killed = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'meanstream-crash-'));
    await fill(dataDir);
    const random = new Random(seed);
    for (let i = 0; i < kills; i += 1) killed += (await runAndKill(dataDir, random)) ? 1 : 0;
    expect(await runAndInterrupt(dataDir)).toBe(130);
    await runToTheEnd(dataDir);
    dumped = await dumpLog(dataDir);
    account = accountFor(dumped.points, dumped.assignments, dumped.deadLetters);
    verdict = judge(decodeLogs(dumped), {
      format: 'json',
      k: 6,
      scaling: true,
      seed: 1,
      halfLife: { unit: 'points', value: 6_000 },
    });
  }, 180_000);

  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  it('was killed in the middle, not before or after', () => {
    expect(killed).toBeGreaterThanOrEqual(3);
  });

  it('lost nothing, repeated nothing and kept the order', () => {
    expect(account.lost).toEqual([]);
    expect(account.repeated).toEqual([]);
    expect(account.outOfOrder).toEqual([]);
  });

  it('has in = out + dead letters', () => {
    const bad = Math.floor(pointsTotal / partitions / badEvery) * partitions;
    expect(account.points).toBe(pointsTotal);
    expect(account.deadLetters).toBe(bad);
    expect(account.assignments).toBe(pointsTotal - bad);
  });

  it('has every delta, model and assignment that the oracle works out from the log, bit for bit', () => {
    expect(verdict.findings).toEqual([]);
    expect(verdict.assigned).toBe(account.assignments);
    // How many there are depends on the machine's speed; the bootstrap and one epoch at least.
    expect(verdict.deltas).toBeGreaterThanOrEqual(partitions);
    expect(verdict.modelsChecked).toBeGreaterThanOrEqual(2);
  });

  it("holds the oracle's state in the local RocksDB store", async () => {
    const dir = join(dataDir, 'state', 'meanstream', 'fold_0', 'centroids');
    const engine = await openEngine('rocksdb', { name: 'centroids', dir, logger: silentLogger });
    const store = new ChangelogStore({
      engine,
      applicationId: 'meanstream',
      taskId: 'fold_0',
      schemaVersion: 1,
      clock: systemClock,
    });
    const stored = await new CentroidStore<StoredHeader>(store).load();
    await engine.close();
    const { records, clusterIds } = verdict.final!;
    expect(stored!.header.clusterIds).toEqual(clusterIds);
    expect(stored!.header.online).toEqual(records.header);
    expect(clusterIds.map((id) => stored!.clusters.get(id))).toEqual(records.clusters);
  });

  it('is refused by the next start once a single bit of a table is another, with the remedy', async () => {
    const log = join(dataDir, 'log');
    const table = (await readdir(log)).find((name) => name.endsWith('.ldb'))!;
    const bytes = await readFile(join(log, table));
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(join(log, table), bytes);
    const dev = devOn(dataDir);
    expect(await dev.exit()).toBe(1);
    expect(dev.stderr).toContain(`does not match its checksum (${table})`);
    expect(dev.stderr).toContain('restore it or delete it');
  });
});

interface StoredHeader {
  readonly online: Float64Array;
  readonly clusterIds: readonly string[];
}

/** Every partition gets its share before anything runs, so that there is a backlog to be killed in. */
async function fill(dataDir: string): Promise<void> {
  const broker = await openLog(dataDir);
  await broker.createTopics(
    topicSpecs({ partitions, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  const writer = await broker.openWriter();
  for (let partition = 0; partition < partitions; partition += 1) {
    const mixture = new Mixture({ seed: partition + 1, dims: 4, clusters: 6, badEvery });
    for (let row = 0; row < pointsTotal / partitions; row += 5_000) {
      const records = mixture.batch(5_000, 1_700_000_000_000 + row);
      await writer.append([{ topic: topics.points, partition, records }]);
    }
  }
  await writer.close();
  await broker.close();
}

function devOn(dataDir: string): MeanstreamProcess {
  return new MeanstreamProcess([
    ...['dev', '--no-demo', '--port', '0', '--data-dir', dataDir],
    ...[
      'batch.rows.max=1024',
      'commit.interval.ms=20',
      'model.k=6',
      'retrain.schedule=never',
    ].flatMap((set) => ['--set', set]),
  ]);
}

async function start(dataDir: string): Promise<{ dev: MeanstreamProcess; url: string }> {
  const dev = devOn(dataDir);
  const url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
  return { dev, url };
}

/** @returns whether there was work left when it was killed */
async function runAndKill(dataDir: string, random: Random): Promise<boolean> {
  const { dev, url } = await start(dataDir);
  await eventually('points on their way', async () => (await assigned(url)) > 0);
  await sleep(random.below(120));
  const left = await lag(url);
  await dev.end('SIGKILL');
  return left > 0;
}

async function runAndInterrupt(dataDir: string): Promise<number | string> {
  const { dev } = await start(dataDir);
  await sleep(200);
  return dev.end('SIGINT');
}

async function runToTheEnd(dataDir: string): Promise<void> {
  const { dev, url } = await start(dataDir);
  await eventually('no lag', async () => (await ready(url)) && (await lag(url)) === 0, 90_000);
  await sleep(500);
  expect(await dev.end('SIGTERM')).toBe(0);
}

async function ready(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok;
}

function assigned(url: string): Promise<number> {
  return metricSum(url, 'meanstream_points_assigned_total');
}

function lag(url: string): Promise<number> {
  return metricSum(url, 'meanstream_consumer_lag_records');
}
