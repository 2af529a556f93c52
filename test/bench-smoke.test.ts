// Every bench at its smallest size, so that none rots: it runs, and its rows are complete. Nothing is asserted on speed.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { ownKafkaMissing, titleWith } from './support/kafka-cluster.ts';

const program = join(import.meta.dirname, '..', 'dist', 'bench', 'run.js');
const folder = mkdtempSync(join(tmpdir(), 'meanstream-bench-smoke-'));
const kafka = inject('kafka');
const timeoutMs = 60_000;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const row = {
  case: expect.any(String),
  n: expect.any(Number),
  peer: expect.any(String),
  ours: expect.any(Number),
  unit: expect.any(String),
};

async function bench(...args: string[]): Promise<string> {
  const brokers = 'unavailable' in kafka ? {} : { KAFKA_BROKERS: kafka.bootstrapServers };
  const env = { ...process.env, ...brokers };
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { env });
  return stdout;
}

async function rowsOf(name: string) {
  await bench(name, '--smoke', '--results', folder);
  const results = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
  expect(results).toEqual({
    machine: expect.any(String),
    commit: expect.any(String),
    date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    rows: expect.any(Array),
  });
  for (const each of results.rows) {
    expect(each).toMatchObject(row);
    expect(Object.keys(each)).toEqual(expect.arrayContaining(['d', 'k', 'theirs', 'ratio']));
    // A ratio without a peer, or a peer without a ratio, would be made up.
    expect(typeof each.ratio).toBe(typeof each.theirs);
  }
  return results.rows;
}

describe('npm run bench', () => {
  it('says what there is when it is not told what to measure', async () => {
    const said = await bench();
    for (const name of [
      ...['assign', 'codec', 'embedded', 'full-batch', 'kernels', 'latency', 'pipeline'],
      ...['restore', 'retrain', 'retrain-simulation', 'retrain-spark', 'soak'],
    ])
      expect(said).toContain(`  ${name} `);
    expect(said).toContain('Example: npm run bench -- codec');
  });

  it('refuses a name it does not know, and says which there are', async () => {
    await expect(bench('speed')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('embedded'),
    });
  });
});

describe('at smoke size', () => {
  it(
    'measures the kernels, with or without the Python peers',
    async () => {
      const rows = await rowsOf('assign');
      expect(rows).toHaveLength(3);
      for (const { d, k, kernels } of rows) {
        expect({ d, k, kernels }).toEqual({ d: 32, k: 64, kernels: expect.any(String) });
      }
    },
    timeoutMs,
  );

  it(
    'measures the bare kernels, native and WebAssembly',
    async () => {
      const rows = await rowsOf('kernels');
      expect(rows).toHaveLength(3);
      for (const { wasm } of rows) expect(wasm).toEqual(expect.any(Number));
    },
    timeoutMs,
  );

  it(
    'measures full-batch fits, on clustered and uniform points',
    async () => {
      const rows = await rowsOf('full-batch');
      expect(rows.map((each: { case: string }) => each.case)).toEqual([
        'd=32 K=64 clustered',
        'd=32 K=64 uniform',
      ]);
      for (const { peer, sameInertia } of rows) {
        if (!peer.startsWith('missing')) expect(sameInertia).toMatch(/^(yes|ours is lower)$/);
      }
    },
    timeoutMs,
  );

  it(
    'measures a retrain from Parquet, without Spark',
    async () => {
      const [row] = await rowsOf('retrain-spark');
      expect(row).toMatchObject({ n: 1_000, d: 8, k: 8, iterations: expect.any(Number) });
      // Eight centres, noise 0.1 in eight features: 80, less what the fit takes away.
      expect(row.inertia).toBeGreaterThan(70);
      expect(row.inertia).toBeLessThan(90);
    },
    timeoutMs,
  );

  it(
    'simulates a retrain with stragglers and lost machines',
    async () => {
      expect(await rowsOf('retrain-simulation')).toHaveLength(4);
    },
    timeoutMs,
  );

  it(
    'measures the pipeline on the embedded log, and says where its time goes',
    async () => {
      const [drain, ...stages] = await rowsOf('embedded');
      expect(drain).toMatchObject({
        ...{ case: 'exactly-once d=32 K=64', peer: 'none', theirs: null, ratio: null },
        cpuSecondsPerMillion: expect.any(Number),
      });
      const names = stages.map((stage: { case: string }) => stage.case.split(': ')[1]);
      expect(names).toEqual(expect.arrayContaining(['decode', 'assign', 'encode', 'commit']));
      const assign = stages[names.indexOf('assign')];
      expect(assign.ours).toBeGreaterThan(0);
    },
    timeoutMs,
  );
});

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'at smoke size, on a real Kafka'), () => {
  it(
    'measures the codec against kafkajs',
    async () => {
      const rows = await rowsOf('codec');
      expect(rows.map((each: { case: string }) => each.case.split(',')[0])).toEqual([
        'produce',
        'consume',
      ]);
      for (const { ratio, ours, theirs } of rows) {
        expect(ratio).toBeCloseTo(ours / theirs, ratio > 10 ? 0 : 1);
      }
    },
    timeoutMs,
  );

  it(
    'measures a restore against reading the changelog',
    async () => {
      const [row] = await rowsOf('restore');
      expect(row).toMatchObject({ case: 'restore into RocksDB', unit: 'MB/s', n: 5_000 });
    },
    timeoutMs,
  );

  it(
    'soaks a processor, and every point comes out once',
    async () => {
      const rows = await rowsOf('soak');
      expect(rows.map((each: { case: string }) => each.case)).toEqual([
        'resident memory, MB',
        'heap, MB',
        'external memory, MB',
        'file descriptors',
      ]);
      for (const each of rows) expect(each.mean).toBeGreaterThan(0);
    },
    2 * timeoutMs,
  );
});

const missing = ownKafkaMissing();
const title = 'at smoke size, on a Kafka of its own';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  it(
    'measures the whole pipeline against kafkajs, and says where its time goes',
    async () => {
      const [drain, ...stages] = await rowsOf('pipeline');
      expect(drain).toMatchObject({
        ...{ case: 'exactly-once d=32 K=64', peer: 'kafkajs 2.2.4', cpuOurs: expect.any(Number) },
        cpuRatio: expect.any(Number),
      });
      const names = stages.map((stage: { case: string }) => stage.case.split(': ')[1]);
      expect(names).toEqual(expect.arrayContaining(['read', 'decode', 'encode assignments']));
    },
    2 * timeoutMs,
  );

  it(
    'measures a retrain over segments by one, two and four workers, and with a straggler',
    async () => {
      const rows = await rowsOf('retrain');
      expect(rows.map((each: { n: number }) => each.n)).toEqual([
        ...[40_000, 40_000, 40_000, 200_000],
        ...[40_000, 40_000],
      ]);
      for (const { rssShare } of rows.slice(0, 4)) expect(rssShare).toEqual(expect.any(Number));
      for (const { peer } of rows.slice(4)) expect(peer).toBe('undisturbed');
    },
    2 * timeoutMs,
  );

  it(
    'measures how long a point takes',
    async () => {
      const [row] = await rowsOf('latency');
      expect(row).toMatchObject({ case: 'commit every 100 ms', n: 20_000, bound: 150 });
      expect(row.p50).toBeLessThanOrEqual(row.p99);
      expect(row.p99).toBeLessThanOrEqual(row.p999);
    },
    2 * timeoutMs,
  );
});
