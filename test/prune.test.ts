// `meanstream models prune` on what a real `dev` left behind: asked for while nobody runs, decided and swept when it starts.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PruneRow } from '../jobs/index.ts';
import { postPoints } from './support/http-stream.ts';
import { eventually, MeanstreamProcess, run } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

let dataDir: string;
let dev: MeanstreamProcess;
let url: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'meanstream-prune-'));
});

afterAll(async () => {
  await dev.end('SIGKILL');
  await rm(dataDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const settings = ['model.k=3', 'bootstrap.rows=200', 'retrain.schedule=never'];
  dev = new MeanstreamProcess([
    ...['dev', '--no-demo', '--port', '0', '--data-dir', dataDir],
    ...[...settings, 'promotion.policy=manual'].flatMap((each) => ['--set', each]),
  ]);
  url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
}

const points = 1_000;

interface Listed {
  readonly version: string;
  readonly offsets: Readonly<Record<string, { readonly to: number }>>;
  readonly artifact: string | null;
}

async function listed(): Promise<Listed[]> {
  return ((await (await fetch(`${url}/v1/models`)).json()) as { models: Listed[] }).models;
}

/** Of the newest model. */
const pointsIn = ([newest]: readonly Listed[]): number =>
  Object.values(newest?.offsets ?? {}).reduce((sum, { to }) => sum + to, 0);

const births = (models: readonly Listed[]) =>
  models.filter(({ version }) => version.endsWith('.0')).map(({ version }) => version);

const files = () => readdir(join(dataDir, 'artifacts', 'blobs', 'sha256'));

async function prune(...flags: string[]) {
  return run(['models', 'prune', '--keep', '1', '--data-dir', dataDir, ...flags]);
}

it('shows what would go, has the owner decide, and deletes the files of what went', async () => {
  await start();
  await postPoints(url, new Mixture({ seed: 1, dims: 3, clusters: 3, badEvery: 0 }), points);
  // A retrain takes what has been processed, and there is a model before any of it is.
  await eventually('a model of all points', async () => pointsIn(await listed()) === points);
  const headers = { 'content-type': 'application/json' };
  for (const version of ['1.1.0', '1.2.0', '1.3.0']) {
    await fetch(`${url}/v1/retrains`, { method: 'POST', headers, body: '{"reason":"to see"}' });
    await eventually(`${version} is archived`, async () =>
      (await listed()).some((each) => each.version === version && each.artifact !== null),
    );
  }
  const before = await listed();
  await dev.end('SIGTERM');
  const all = await files();

  const dry = await prune('--dry-run');
  expect(dry.code).toBe(0);
  expect(dry.stdout).toMatch(/1\.3\.0 .* keep .* one of the newest 1 generations/);
  expect(dry.stdout).toMatch(/1\.2\.0 .* retrain .* delete .* nothing needs it/);
  expect(dry.stdout).toMatch(/1\.1\.0 .* delete /);
  expect(dry.stdout).toMatch(/1\.0\.0 .* bootstrap .* keep /);
  expect(dry.stdout).toContain('Nothing was changed');
  const unasked = await prune();
  expect(unasked.code).toBe(5);
  expect(unasked.stderr).toContain('--yes');
  expect(await files()).toEqual(all);

  const asked = await prune('--yes', '--json');
  expect(asked.code, asked.stderr).toBe(0);
  const { rows, versions } = JSON.parse(asked.stdout) as { rows: PruneRow[]; versions: string[] };
  expect(versions).toEqual(['1.2.0', '1.1.0']);
  expect(rows).toHaveLength(4);
  await start();
  await eventually('they are gone', async () => {
    const now = births(await listed());
    return !now.includes('1.1.0') && !now.includes('1.2.0') && now;
  });
  const gone = before.filter(({ version }) => versions.includes(version));
  const names = gone.map(({ artifact }) => artifact!.slice('sha256/'.length));
  await eventually('their files are deleted', async () => {
    const left = await files();
    return names.every((name) => !left.includes(name));
  });
  await eventually('the sweep is done', () => /an artifact of pruned/.test(dev.stderr));
  await dev.end('SIGTERM');

  const verified = await run([
    'verify',
    '--data-dir',
    dataDir,
    '--json',
    '--set',
    'model.k=3',
    '--set',
    'bootstrap.rows=200',
  ]);
  expect(verified.code, verified.stderr).toBe(0);
  expect(JSON.parse(verified.stdout)).toMatchObject({ findings: [] });
  const again = await prune('--dry-run');
  expect(again.stdout).not.toMatch(/ delete /);
  const history = await run(['models', 'history', '--data-dir', dataDir]);
  expect(history.stdout).toMatch(/ prune .* 1\.2\.0, 1\.1\.0 .* meanstream models prune --keep 1/);
}, 120_000);
