// Two things a model needs in its life, on a running process: to be retrained while points flow, and to be watched.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Assignment, DriftReport } from '../schemas/index.ts';
import { judge } from './oracle/clustering-oracle.ts';
import { decodeLogs } from './oracle/decode-logs.ts';
import { accountFor } from './support/accounting.ts';
import { dumpLog } from './support/embedded-log.ts';
import { HttpStream, postPoints } from './support/http-stream.ts';
import { eventually, MeanstreamProcess, sleep } from './support/meanstream-process.ts';
import { metricSum } from './support/metrics.ts';
import { Mixture } from './support/mixture.ts';

const k = 5;
const mixture = { seed: 11, dims: 4, clusters: k, badEvery: 0 };

let dataDir: string;
let dev: MeanstreamProcess;
let url: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-life-'));
});

afterEach(async () => {
  await dev.end();
  await rm(dataDir, { recursive: true, force: true });
});

async function start(...settings: string[]): Promise<void> {
  const sets = [`model.k=${k}`, 'bootstrap.rows=500', ...settings];
  dev = new MeanstreamProcess([
    ...['dev', '--no-demo', '--port', '0', '--data-dir', dataDir],
    ...sets.flatMap((set) => ['--set', set]),
  ]);
  url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
}

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(`${url}${path}`)).json()) as T;
}

describe('a retrain while points flow', () => {
  it('ends in a promoted version that every task takes up; nothing is lost, repeated or worse', async () => {
    await start('retrain.schedule=*/3 * * * * *');
    const stream = new HttpStream(url, new Mixture(mixture));
    const retrained = await eventually(
      'two promoted retrains',
      async () => {
        const { modelVersion } = await get<{ modelVersion: string }>('/v1/clusters');
        return modelVersion?.startsWith('1.2.') && modelVersion;
      },
      60_000,
    );
    expect(retrained).toMatch(/^1\.2\.\d+$/);
    await sleep(500);
    const accepted = await stream.stop();
    await eventually(
      'no lag',
      async () => (await metricSum(url, 'meanstream_consumer_lag_records')) === 0,
    );
    expect(dev.stderr).toMatch(/1\.1\.0 from [\d,]+ points .*; promoted/);
    await sleep(500);
    await dev.end();

    const dumped = await dumpLog(dataDir);
    const account = accountFor(dumped.points, dumped.assignments, dumped.deadLetters);
    expect(account).toMatchObject({ lost: [], repeated: [], outOfOrder: [], points: accepted });
    const logs = decodeLogs(dumped);
    const generations = new Set(logs.assignments.map(generationOf));
    expect([...generations].sort()).toEqual(expect.arrayContaining(['1.0', '1.1', '1.2']));
    const options = {
      format: 'json',
      k,
      scaling: true,
      seed: 1,
      halfLife: { unit: 'points', value: 1000 * k },
    } as const;
    expect(judge(logs, options).findings).toEqual([]);
  }, 120_000);
});

function generationOf({ modelVersion }: Assignment): string {
  return modelVersion.split('.').slice(0, 2).join('.');
}

describe('the drift detectors', () => {
  it('stay quiet on a still stream and raise an alarm on a shifted one', async () => {
    await start('retrain.schedule=never', 'drift.window.points=1000');
    const windows = async () => (await get<{ reports: DriftReport[] }>('/v1/drift')).reports;
    const still = new Mixture(mixture);
    while ((await windows()).length < 8) await postPoints(url, still, 500);
    expect((await windows()).map(({ level }) => level)).toEqual(
      expect.not.arrayContaining(['warning', 'alarm']),
    );
    expect(await metricSum(url, 'meanstream_drift_events_total')).toBe(0);
    const before = await largestPsi(await windows());

    const shifted = new Mixture({ ...mixture, shift: 4 });
    const alarm = await eventually('an alarm', async () => {
      await postPoints(url, shifted, 500);
      return (await windows()).find(({ level }) => level === 'alarm');
    });
    expect(alarm.detectors.length).toBeGreaterThan(0);
    expect(largestPsi(await windows())).toBeGreaterThan(before);
    const wasStableSinceMs = alarm.stableSinceMs!;
    await eventually('a stretch that begins later', async () => {
      await postPoints(url, shifted, 500);
      return (await windows()).at(-1)!.stableSinceMs! > wasStableSinceMs;
    });
    expect(await metricSum(url, 'meanstream_drift_events_total')).toBeGreaterThan(0);
  }, 90_000);
});

function largestPsi(windows: readonly DriftReport[]): number {
  return Math.max(...windows.map(({ psi }) => psi ?? 0));
}
