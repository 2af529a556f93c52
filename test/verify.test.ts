// `meanstream verify` on what a run left behind: three kills with -9, retrains, a rollback and a pin in it. Then on a copy of the
// same log with one bit turned over.
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeLearningMessage,
  decodeModel,
  decodeVersionArtifact,
  encodeLearningMessage,
  encodeModel,
  modelRecordKind,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import type { VerifyReport } from '../verification/index.ts';
import type { DumpedRecord } from './support/dump-topic.ts';
import { type Dump, dumpLog, openLog } from './support/embedded-log.ts';
import { postPoints } from './support/http-stream.ts';
import { eventually, MeanstreamProcess } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const k = 5;
const partitions = 4;
/** An hour of 20 points a second. */
const pointsTotal = 72_000;
const settings = ['model.k=5', 'bootstrap.rows=500', 'commit.interval.ms=50'];
const sets = (more: readonly string[] = []) =>
  [...settings, ...more].flatMap((it) => ['--set', it]);

let dataDir: string;
let log: Dump;
let copies = 0;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-verify-'));
  await live();
  log = await dumpLog(dataDir);
}, 240_000);

afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** One process after another on the same log, all but the last killed while points are on their way. */
async function live(): Promise<void> {
  const mixture = new Mixture({ seed: 21, dims: 4, clusters: k, badEvery: 0 });
  const acts: ((url: string) => Promise<unknown>)[] = [
    async (url) => {
      const headers = { 'content-type': 'application/json' };
      await fetch(`${url}/v1/retrains`, { method: 'POST', headers, body: '{"reason":"to see"}' });
      await generation(url, '1.1');
    },
    async (url) => {
      await act(url, 'POST', '/v1/rollbacks', { reason: 'to see' });
      await generation(url, '1.');
    },
    async (url) => {
      await act(url, 'PUT', '/v1/pin', { pinned: true });
      await postPoints(url, mixture, 1_000);
    },
    (url) => act(url, 'PUT', '/v1/pin', { pinned: false }),
  ];
  for (const [phase, doing] of acts.entries()) {
    const isLast = phase === acts.length - 1;
    const dev = await start();
    for (let sent = 0; sent < pointsTotal / acts.length; sent += 1_000) {
      await postPoints(dev.url, mixture, 1_000);
    }
    await doing(dev.url);
    if (isLast) await Promise.all([settled(dev.url), archived(dev.url)]);
    else await postPoints(dev.url, mixture, 1_000);
    await dev.process.end(isLast ? 'SIGTERM' : 'SIGKILL');
  }
}

async function start() {
  const dev = new MeanstreamProcess([
    ...['dev', '--no-demo', '--port', '0', '--data-dir', dataDir],
    ...sets(['retrain.schedule=never']),
  ]);
  const url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
  return { process: dev, url };
}

async function versionOf(url: string): Promise<string> {
  const answer = (await (await fetch(`${url}/v1/models/current`)).json()) as { version?: string };
  return answer.version ?? 'none';
}

function generation(url: string, prefix: string): Promise<unknown> {
  return eventually(
    `generation ${prefix}`,
    async () => (await versionOf(url)).startsWith(prefix),
    90_000,
  );
}

async function act(url: string, method: string, path: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
  expect(await answer.json()).toMatchObject({ decided: true });
}

async function settled(url: string): Promise<void> {
  await eventually('no lag', async () => {
    const status = (await (await fetch(`${url}/v1/status`)).json()) as {
      lag: { records: number } | null;
    };
    return status.lag?.records === 0;
  });
}

/** What was killed before it had written a version's file leaves that to whoever comes after it, within seconds. */
function archived(url: string): Promise<unknown> {
  const hasFile = async (version: string): Promise<boolean> => {
    const answer = await (await fetch(`${url}/v1/models/${version}`)).json();
    return typeof (answer as { artifact?: unknown }).artifact === 'string';
  };
  return eventually('a file of each generation', async () => {
    const found = await Promise.all(['1.0.0', '1.1.0', '1.2.0'].map(hasFile));
    return found.every((has) => has);
  });
}

async function verify(dir: string, version?: string) {
  const command = new MeanstreamProcess([
    ...['verify', ...(version === undefined ? [] : [version])],
    ...['--data-dir', dir, '--json', ...sets()],
  ]);
  const code = await command.exit();
  const report = JSON.parse(command.stdout || '{}') as VerifyReport;
  return { code, report, stderr: command.stderr };
}

/** The same log in another folder, one record changed. */
async function withChanged(
  topic: keyof typeof topics,
  wanted: (record: DumpedRecord) => boolean,
  change: (value: Uint8Array) => Uint8Array,
): Promise<string> {
  copies += 1;
  const dir = join(dataDir, `copy-${copies}`);
  const broker = await openLog(dir);
  await broker.createTopics(
    topicSpecs({ partitions, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  await cp(join(dataDir, 'artifacts'), join(dir, 'artifacts'), { recursive: true });
  const writer = await broker.openWriter();
  const victim = log[topic].findLast(wanted);
  expect(victim).toBeDefined();
  for (const name of ['points', 'centroidDeltas', 'models'] as const) {
    for (let from = 0; from < log[name].length; ) {
      const { partition, offset } = log[name][from]!;
      const rows = log[name].slice(from, from + 500).filter((row) => row.partition === partition);
      const records = new RecordBatchBuilder();
      for (const row of rows) {
        const value = row === victim ? change(row.value!) : row.value;
        records.append(row.timestamp, row.key, value, row.headers);
      }
      const [appended] = await writer.append([{ topic: topics[name], partition, records }]);
      expect(appended?.baseOffset).toBe(offset);
      from += rows.length;
    }
  }
  await writer.close();
  await broker.close();
  return dir;
}

/** The lowest bit of a number that differs between any two doubles next to each other. */
function turnedOver(numbers: Float64Array, index: number): Float64Array {
  const changed = numbers.slice();
  new Uint8Array(changed.buffer)[index * 8]! ^= 1;
  return changed;
}

describe('verify', () => {
  it('finds every version of a run with three kills equal, bit for bit', async () => {
    const { code, report, stderr } = await verify(dataDir);
    expect(report.findings, stderr).toEqual([]);
    expect(code).toBe(0);
    expect(report.birthsRecomputed).toEqual(expect.arrayContaining(['1.0.0', '1.1.0']));
    expect(report.birthsRecomputed.length).toBeGreaterThanOrEqual(3);
    const recorded = log.models.filter(({ key }) => modelRecordKind(key)?.kind === 'model');
    expect(report.recordsCompared).toBe(recorded.length);
    expect(report.artifactsRead).toBeGreaterThanOrEqual(4);
    expect(report.deltasRecomputed).toBe(
      log.centroidDeltas.filter(({ value }) => decodeLearningMessage(value!).kind === 'delta')
        .length,
    );
  }, 120_000);

  it('verifies one version alone, and says of one that is not there what there is', async () => {
    expect((await verify(dataDir, '1.0.0')).report).toMatchObject({
      ...{ findings: [], birthsRecomputed: ['1.0.0'] },
    });
    expect((await verify(dataDir, '9.9.9')).stderr).toMatch(/There is no version 9\.9\.9/);
  }, 60_000);

  it('finds one bit turned over in the file of a version, and of a coreset, and names both', async () => {
    const places = log.models.flatMap(({ key, value }) =>
      modelRecordKind(key)?.kind === 'artifact' ? [decodeVersionArtifact(value!)] : [],
    );
    const { artifact, others } = places.findLast(({ version }) => version === '1.1.0')!;
    const [parent, summary] = others;
    expect(parent).not.toBe(summary);
    for (const [broken, ...names] of [
      [artifact, /^version 1\.1\.0: artifact sha256\S+ .*`meanstream models archive 1\.1\.0`/],
      [summary!, /: the coreset it left: artifact sha256\S+ .*`meanstream retrain --history log`/],
    ] as const) {
      const file = join(dataDir, 'artifacts', 'blobs', broken);
      expect(existsSync(file)).toBe(true);
      const sound = await readFile(file);
      const changed = Buffer.from(sound);
      changed[Math.floor(changed.length / 2)]! ^= 1;
      await writeFile(file, changed);
      const { code, report, stderr } = await verify(dataDir, '1.1.0');
      await writeFile(file, sound);
      expect(code).toBe(4);
      expect(report.findings).toMatchObject([{ where: expect.stringContaining(broken) }]);
      for (const name of names) expect(stderr.slice(stderr.indexOf('version 1.1.0'))).toMatch(name);
    }
  }, 120_000);

  it('finds one bit turned over in a record of models, and names the place', async () => {
    const dir = await withChanged(
      'models',
      ({ key, value }) => {
        const { kind, name } = modelRecordKind(key) ?? {};
        return kind === 'model' && name === '1.1.0' && decodeModel(value!).deltaOffset >= 0;
      },
      (value) => {
        const model = decodeModel(value);
        return encodeModel({ ...model, centroids: turnedOver(model.centroids, 9) });
      },
    );
    const { code, report } = await verify(dir, '1.1.0');
    expect(code).toBe(4);
    expect(report.findings).toMatchObject([
      {
        of: 'version 1.1.0',
        where: expect.stringMatching(/^artifact sha256.*, centroids of c\d+, coordinate 1$/),
        remedy: expect.stringContaining('the record on models is what has changed'),
      },
      { of: 'version 1.1.0', where: expect.stringMatching(/^centroids of c\d+, coordinate 1$/) },
    ]);
  }, 120_000);

  it('finds one bit turned over in a delta, and names the range it was made from', async () => {
    const dir = await withChanged(
      'centroidDeltas',
      ({ value }) => {
        const message = decodeLearningMessage(value!);
        return message.kind === 'delta' && message.modelVersion.startsWith('1.0.');
      },
      (value) => {
        const delta = decodeLearningMessage(value);
        if (delta.kind !== 'delta') throw new Error('a sample');
        return encodeLearningMessage({ ...delta, sums: turnedOver(delta.sums, 2) });
      },
    );
    const { code, report } = await verify(dir);
    expect(code).toBe(4);
    expect(report.findings[0]).toMatchObject({
      of: expect.stringMatching(
        /^the delta of partition \d, offsets \d+ to \d+, against 1\.0\.\d+$/,
      ),
      where: expect.stringMatching(/^sums of c\d+, coordinate 2$/),
    });
  }, 120_000);
});
