// The command line as people start it: built files, real processes, the embedded log.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { eventually, MeanstreamProcess, run } from '../test/support/meanstream-process.ts';
import { exitCodes } from './exit-codes.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
const started: MeanstreamProcess[] = [];
afterEach(async () => {
  for (const dev of started.splice(0)) await dev.end('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const quick = ['--set', 'bootstrap.rows=100', '--set', 'retrain.schedule=never'];

async function startDev(
  dataDir: string,
  ...args: string[]
): Promise<{ dev: MeanstreamProcess; url: string }> {
  const dev = new MeanstreamProcess([
    'dev',
    '--port',
    '0',
    '--data-dir',
    dataDir,
    ...quick,
    ...args,
  ]);
  started.push(dev);
  const [, url] = await dev.waitFor(/dashboard {2}(http:\/\/127\.0\.0\.1:\d+)\//);
  return { dev, url: url! };
}

function pointsFile(name: string, rows: number): string {
  const path = join(folder, name);
  const lines = Array.from({ length: rows }, (_, row) => `${row},${row % 5},${row % 11}`);
  writeFileSync(path, `id,a,b\n${lines.join('\n')}\n`);
  return path;
}

async function allAssigned(url: string, rows: number): Promise<void> {
  await eventually('all points are assigned', async () => {
    const status = await (await fetch(`${url}/v1/status`)).json();
    const { lag } = status as { lag: { records: number; logRecords: number } };
    return lag.logRecords === rows && lag.records === 0;
  });
}

interface Row {
  readonly key: string;
  readonly modelVersion: string;
  readonly partition: number;
  readonly offset: number;
}

interface Clusters {
  readonly modelVersion: string;
  readonly clusters: readonly object[];
}

async function assignedInLog(dataDir: string): Promise<Row[]> {
  const tail = ['tail', '--data-dir', dataDir, '--from-beginning', '--no-follow'];
  const { code, stdout, stderr } = await run(tail);
  expect(stderr).toBe('');
  expect(code).toBe(exitCodes.ok);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

test('a file produced to a dev that is killed and started again is assigned once, row by row', async () => {
  const rows = 5_000;
  const dataDir = join(folder, 'killed');
  const file = pointsFile('points.csv', rows);
  const first = await startDev(dataDir, '--no-demo');
  expect(first.dev.stderr).toContain('not for production');
  const produced = await run(['produce', file, '--key-column', 'id', '--url', first.url, '--json']);
  expect(JSON.parse(produced.stdout)).toMatchObject({ points: rows, badLines: 0, isWhole: true });
  await first.dev.end('SIGKILL');

  const second = await startDev(dataDir, '--no-demo');
  await allAssigned(second.url, rows);
  expect(await second.dev.end('SIGTERM')).toBe(exitCodes.ok);

  const assigned = await assignedInLog(dataDir);
  expect(assigned).toHaveLength(rows);
  expect(new Set(assigned.map(({ key }) => key)).size).toBe(rows);
}, 120_000);

test('the demo streams, tail shows it live, and Ctrl-C ends with 130', async () => {
  const { dev, url } = await startDev(join(folder, 'demo'), '--demo-rate', '500');
  const { code, stdout } = await run(['tail', '--url', url, '--max', '5']);
  expect(code).toBe(exitCodes.ok);
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('clusterId');
  expect(await dev.end('SIGINT')).toBe(exitCodes.interrupted);
}, 120_000);

test('a second dev on one data folder is told who holds it', async () => {
  const dataDir = join(folder, 'held');
  const { dev } = await startDev(dataDir, '--no-demo');
  const { code, stderr } = await run(['dev', '--port', '0', '--data-dir', dataDir, '--no-demo']);
  expect(code).toBe(exitCodes.dependencyDown);
  expect(stderr).toContain('MEANSTREAM_DEPENDENCY_DOWN');
  expect(stderr).toContain('only one process');
  await dev.end('SIGTERM');
}, 120_000);

test('after a reset the same points are assigned anew by a model that begins at 1.0.0', async () => {
  const rows = 1_000;
  const dataDir = join(folder, 'reset');
  const reset = ['reset', '--data-dir', dataDir];
  const first = await startDev(dataDir, '--no-demo');
  await run(['produce', pointsFile('again.csv', rows), '--key-column', 'id', '--url', first.url]);
  await allAssigned(first.url, rows);
  const held = await run([...reset, '--yes']);
  expect(held.code).toBe(exitCodes.refused);
  expect(held.stderr).toMatch(/MEANSTREAM_REFUSED.*meanstream dev/);
  const coreset = join(dataDir, 'artifacts', 'refs', 'coresets', 'meanstream');
  const headers = { 'content-type': 'application/json' };
  await fetch(`${first.url}/v1/retrains`, { method: 'POST', headers, body: '{"reason":"test"}' });
  await eventually('a coreset is kept', () => existsSync(coreset));
  await first.dev.end('SIGTERM');

  const shown = await run([...reset, '--dry-run']);
  expect(shown.code).toBe(exitCodes.ok);
  expect(shown.stdout).toMatch(/ offsets of group meanstream .* 1,000 points read .* delete /);
  expect(shown.stdout).toMatch(/ models .* delete /);
  expect(shown.stdout).toMatch(/ meanstream-centroids-changelog .* delete /);
  expect(shown.stdout).toMatch(/ points .* 1,000 offsets .* keep /);
  expect(shown.stdout).toMatch(/ assignments .* 1,000 offsets .* keep /);
  expect(shown.stdout).toMatch(/ the newest coreset in .* 1,000 points .* delete /);
  const unasked = await run(reset);
  expect(unasked.code).toBe(exitCodes.refused);
  expect(unasked.stderr).toContain('--yes');
  expect((await run([...reset, '--dry-run'])).stdout).toBe(shown.stdout);

  const done = await run([...reset, '--yes']);
  expect(done.stderr).toBe('');
  expect(done.code).toBe(exitCodes.ok);
  expect(existsSync(join(dataDir, 'state', 'meanstream'))).toBe(false);
  expect(existsSync(coreset)).toBe(false);
  expect((await run([...reset, '--dry-run'])).stdout).toMatch(/ models .* 0 offsets /);

  const second = await startDev(dataDir, '--no-demo', '--set', 'model.k=3');
  await allAssigned(second.url, rows);
  const answer = await fetch(`${second.url}/v1/clusters`);
  const { modelVersion, clusters } = (await answer.json()) as Clusters;
  expect(modelVersion).toMatch(/^1\.0\./);
  expect(clusters).toHaveLength(3);
  await second.dev.end('SIGTERM');
  const assigned = await assignedInLog(dataDir);
  expect(assigned).toHaveLength(2 * rows);
  expect(new Set(assigned.map(({ key }) => key)).size).toBe(rows);
  expect(assigned.every((row) => row.modelVersion.startsWith('1.0.'))).toBe(true);

  expect((await run([...reset, '--yes', '--outputs'])).code).toBe(exitCodes.ok);
  expect(await assignedInLog(dataDir)).toEqual([]);
}, 120_000);

test('a reset of a folder without a log makes none', async () => {
  const dataDir = join(folder, 'mistyped');
  const { code, stderr } = await run(['reset', '--yes', '--data-dir', dataDir]);
  expect(code).toBe(exitCodes.usage);
  expect(stderr).toContain('no embedded log');
  expect(existsSync(dataDir)).toBe(false);
});

test('dev refuses threads, which the embedded log cannot serve, and says what can', async () => {
  const dataDir = join(folder, 'threads');
  const { code, stderr } = await run([
    'dev',
    '--data-dir',
    dataDir,
    '--set',
    'num.stream.threads=2',
  ]);
  expect(code).toBe(exitCodes.usage);
  expect(stderr).toMatch(/num\.stream\.threads is 2.*`meanstream processor` on Kafka/);
  expect(existsSync(dataDir)).toBe(false);
});

test('a taken port is told with its remedy', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const args = ['dev', '--port', String(port), '--data-dir', join(folder, 'taken')];
  const { code, stderr } = await run(args);
  server.close();
  expect(code).toBe(exitCodes.usage);
  expect(stderr).toMatch(/MEANSTREAM_PORT_TAKEN.*--port/);
});

test('without anybody to talk to, produce and tail say what to start', async () => {
  const file = pointsFile('few.csv', 3);
  const nobody = ['--url', 'http://127.0.0.1:9'];
  const stateDir = ['--set', `state.dir=${join(folder, 'state')}`];
  for (const args of [
    ['tail', ...nobody],
    ['produce', file, ...nobody, ...stateDir],
  ]) {
    const { code, stderr } = await run(args);
    expect(code).toBe(exitCodes.dependencyDown);
    expect(stderr).toContain('meanstream dev');
  }
});

test('doctor checks this machine and ends with 4 when Kafka is away', async () => {
  const stateDir = ['--set', `state.dir=${join(folder, 'doctor')}`];
  const healthy = await run(['doctor', '--json', ...stateDir]);
  expect(healthy.code).toBe(exitCodes.ok);
  const away = await run(['doctor', ...stateDir, '--set', 'bootstrap.servers=127.0.0.1:9']);
  expect(away.code).toBe(exitCodes.checkFailed);
  expect(away.stdout).toContain('→ Start Kafka at 127.0.0.1:9');
}, 60_000);

test('the pipeline prints itself, as text and as Mermaid', async () => {
  expect((await run(['topology'])).stdout).toContain('Sub-topology: assign');
  expect((await run(['topology', '--mermaid'])).stdout).toMatch(/^flowchart LR/);
});
