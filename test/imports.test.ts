// A clustering of the real scikit-learn, imported: it gives every point of both real data sets the cluster that scikit-learn's
// predict gives, and becomes a version that is promoted like any other and goes on learning.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Assigner, chooseKernels } from '../clustering/index.ts';
import { readClusterer } from '../imports/index.ts';
import { exampleTable } from './support/example-table.ts';
import { scikitLearn } from './support/export-judges.ts';
import { postPoints } from './support/http-stream.ts';
import { eventually, MeanstreamProcess, run } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const sklearn = await scikitLearn();
const { kernels } = chooseKernels();
const titled = (title: string) =>
  sklearn.missing === undefined ? title : `${title} (skipped: ${sklearn.missing})`;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meanstream-imports-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe.skipIf(sklearn.missing !== undefined)(titled('a model of scikit-learn'), () => {
  it.each([
    { name: 'shuttle', k: 8, kind: 'KMeans', scaling: 'with-scaler' },
    { name: 'shuttle', k: 7, kind: 'MiniBatchKMeans', scaling: 'bare' },
    { name: 'digits', k: 10, kind: 'KMeans', scaling: 'bare' },
    { name: 'digits', k: 12, kind: 'MiniBatchKMeans', scaling: 'with-scaler' },
  ] as const)(
    '$kind on $name ($scaling) gives every point the cluster that predict gives',
    async ({ name, k, kind, scaling }) => {
      const { values, n, dims } = exampleTable(name);
      const rows = join(dir, `${name}.f32`);
      await writeFile(rows, new Uint8Array(values.buffer));
      const out = join(dir, `${name}-${kind}-${scaling}.npz`);
      const theirs = await sklearn.fit({ rows, dims, kind, k, scaling, out });
      const model = readClusterer(await readFile(out));
      const none = { weights: new Float64Array(k), sumSquares: new Float64Array(k) };
      const distanceHistogram = new Float64Array(0);
      const assigner = new Assigner({ ...model, ...none, distanceHistogram }, kernels);
      assigner.assign(values, n);
      const ours = [...assigner.labels.subarray(0, n)];
      const differing = ours.flatMap((label, row) => (label === theirs[row] ? [] : [row]));
      expect(theirs).toHaveLength(n);
      expect(differing).toEqual([]);
      expect([...model.weights!].reduce((sum, count) => sum + count, 0)).toBe(n);
    },
    120_000,
  );
});

describe('meanstream models import', () => {
  const mixture = new Mixture({ seed: 5, dims: 3, clusters: 4, badEvery: 0 });
  const settings = [
    '--set',
    'model.k=4',
    '--set',
    'bootstrap.rows=300',
    '--set',
    'bootstrap.wait.ms=500',
  ];
  let dataDir: string;
  let dev: MeanstreamProcess | undefined;

  beforeAll(() => {
    dataDir = join(dir, 'log');
  });
  afterAll(() => dev?.end());

  async function startDev(): Promise<string> {
    const args = ['dev', '--no-demo', '--port', '0', '--data-dir', dataDir, ...settings];
    dev = new MeanstreamProcess(args);
    return (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
  }

  async function current(url: string): Promise<string | null> {
    const answer = await fetch(`${url}/v1/clusters`);
    return ((await answer.json()) as { modelVersion: string | null }).modelVersion;
  }

  it('makes a candidate of the file, measured on the log; the known clusters keep their ids', async () => {
    const url = await startDev();
    for (let part = 0; part < 4; part += 1) await postPoints(url, mixture, 500);
    await eventually('a model', async () => (await current(url)) !== null);
    await eventually('all points learned', async () => {
      const status = (await (await fetch(`${url}/v1/status`)).json()) as {
        lag: { records: number };
      };
      return status.lag.records === 0;
    });
    const { clusters } = (await (await fetch(`${url}/v1/clusters`)).json()) as {
      clusters: { clusterId: string; centroid: number[] }[];
    };
    await dev!.end();
    const file = join(dir, 'same.json');
    const reversed = [...clusters].reverse();
    await writeFile(
      file,
      JSON.stringify({ cluster_centers: reversed.map(({ centroid }) => centroid) }),
    );
    const { code, stdout, stderr } = await run([
      ...['models', 'import', file, '--data-dir', dataDir, '--promote', '--json'],
    ]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^1\.1\.0: 4 clusters.*4 of them known/),
    ]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ version: '1.1.0', points: 2_000, idsKept: 4 });
    expect(report.clusterIds).toEqual(reversed.map(({ clusterId }) => clusterId));
  }, 60_000);

  it('is promoted as any other and goes on learning', async () => {
    const url = await startDev();
    await eventually('the import is current', async () => (await current(url))?.startsWith('1.1.'));
    await postPoints(url, mixture, 500);
    const learned = await eventually('it has learned', async () => {
      const version = await current(url);
      return version !== '1.1.0' && version;
    });
    expect(learned).toMatch(/^1\.1\.[1-9]/);
    const answer = await fetch(`${url}/v1/models/1.1.0`);
    expect(await answer.json()).toMatchObject({ origin: 'import', k: 4, dimensions: 3 });
    await dev!.end();
  }, 60_000);

  it('refuses what does not fit the stream, and says why', async () => {
    const file = join(dir, 'narrow.json');
    await writeFile(file, JSON.stringify({ cluster_centers: [[1, 2]] }));
    const { code, stderr } = await run(['models', 'import', file, '--data-dir', dataDir]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/MEANSTREAM_INVALID_SETTING.*2 dimensions, the stream has 3.*Nothing/);
  }, 60_000);
});
