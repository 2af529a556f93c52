// The command line and the gateway against a real Kafka, as somebody uses them who has one: topics, a file of real points,
// three points over HTTP with a WebSocket open, a retrain while more come in, and the end of versions that nobody needs.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PruneRow } from '../jobs/index.ts';
import { type Assignment, generationOf, topics } from '../schemas/index.ts';
import { accountFor } from './support/accounting.ts';
import { dumpTopic } from './support/dump-topic.ts';
import { HttpStream } from './support/http-stream.ts';
import { asDumped, readWithJava } from './support/java-console.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { type DeployedProcessor, KafkaDeployment } from './support/kafka-deployment.ts';
import { hearAssignments } from './support/live-assignments.ts';
import { eventually, type MeanstreamProcess, sleep } from './support/meanstream-process.ts';
import { Mixture } from './support/mixture.ts';

const fileRows = 6_000;
const shuttle = new URL('../examples/data/shuttle.csv.gz', import.meta.url);
const nines = [
  [50, 21, 77, 0, 28, 0, 27, 48, 22],
  [53, 0, 82, 0, 52, -5, 29, 30, 2],
  [37, 0, 76, 0, 28, 18, 40, 48, 8],
];
const prune = ['models', 'prune', '--keep', '0'];
const askedFor = { code: 2, stderr: expect.stringContaining('set artifacts.location to where') };
const nothingToPrune = expect.stringContaining('There is nothing to prune.');
const nobody = '127.0.0.1:1';

const missing = ownKafkaMissing();
const title = 'gateway and commands on Kafka';

describe.skipIf(missing !== undefined)(missing ? `${title} (skipped: ${missing})` : title, () => {
  let deployment: KafkaDeployment;
  let processor: DeployedProcessor;
  let gateway: MeanstreamProcess;
  let server: MeanstreamProcess;
  let url: string;

  beforeAll(async () => {
    deployment = await KafkaDeployment.start({ 'bootstrap.rows': 1_000 });
    processor = deployment.processor('one');
    gateway = deployment.start(['gateway', '--port', '0'], { 'group.instance.id': 'gateway' });
    url = (await gateway.waitFor(/"url":"(http:[^"]+)"/))[1]!;
    await processor.url();
  });

  afterAll(() => deployment?.close());

  it('plans and checks the topics, and says by its exit code what is wrong', async () => {
    const [plan, doctor, moreWanted, otherName, down, downDoctor] = await Promise.all([
      deployment.run(['topics', 'plan', '--json']),
      deployment.run(['doctor']),
      deployment.run(['topics', 'apply'], { 'topics.partitions': 8 }),
      deployment.run(['processor'], { 'application.id': 'nobody-applied', 'metrics.port': 0 }),
      deployment.run(['topics', 'plan'], { 'bootstrap.servers': nobody }),
      deployment.run(['doctor'], { 'bootstrap.servers': nobody }),
    ]);
    expect(plan.code).toBe(0);
    const actions = (JSON.parse(plan.stdout) as { action: string }[]).map(({ action }) => action);
    expect(new Set(actions)).toEqual(new Set(['keep']));
    expect(doctor.stdout).not.toContain('FAILED');
    expect(doctor.code).toBe(0);
    expect(moreWanted.code).toBe(4);
    expect(moreWanted.stdout).toContain('4 partitions instead of 8');
    expect(otherName.code).toBe(4);
    expect(otherName.stderr).toContain('topics apply');
    expect(down.code).toBe(3);
    expect(downDoctor.code).toBe(4);
    expect(downDoctor.stdout).toContain(nobody);
  }, 60_000);

  it('produces a file once, also when asked twice with --resume', async () => {
    const rows = gunzipSync(await readFile(shuttle))
      .toString()
      .split('\n');
    const file = join(deployment.dir, 'shuttle.csv');
    await writeFile(file, `${rows.slice(0, fileRows + 1).join('\n')}\n`);
    const produce = ['produce', file, '--ignore-column', 'anomaly', '--json'];
    const first = await deployment.run(produce);
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ points: fileRows, badLines: 0 });
    const again = await deployment.run([...produce, '--resume']);
    expect(again.code, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ points: 0 });
    await deployment.drained();
  }, 60_000);

  it('prints every assignment with `tail`', async () => {
    const whole = await deployment.run(['tail', '--from-beginning', '--no-follow']);
    expect(whole.code).toBe(0);
    const printed = whole.stdout.trimEnd().split('\n');
    const sources = printed.map((line) => {
      const { partition, offset } = JSON.parse(line) as Assignment;
      return `${partition}-${offset}`;
    });
    expect(sources).toHaveLength(fileRows);
    expect(new Set(sources).size).toBe(fileRows);
    const some = await deployment.run(['tail', '--from-beginning', '--max', '3']);
    expect(some.code).toBe(0);
    expect(some.stdout.trimEnd().split('\n')).toHaveLength(3);
  });

  it('answers posted points with offsets, and shows each once on a WebSocket opened before', async () => {
    const { received, close } = await hearAssignments(url);
    const points = nines.map((vector, i) => ({ key: `mine-${i}`, vector }));
    const posted = await post('/v1/points', { points });
    expect(posted.status).toBe(202);
    const { accepted } = (await posted.json()) as {
      accepted: { partition: number; offset: string }[];
    };
    await eventually('three assignments', () => received.length >= 3);
    await sleep(1_000);
    close();
    expect(received.map(({ key }) => key).sort()).toEqual(['mine-0', 'mine-1', 'mine-2']);
    for (const { key, partition, offset } of received) {
      const at = { partition, offset: String(offset) };
      expect(accepted[Number(key!.slice('mine-'.length))]).toEqual(at);
    }
    const asked = (await (await post('/v1/assign', { points })).json()) as {
      assignments: Assignment[];
    };
    const live = new Map(received.map(({ key, clusterId }) => [key, clusterId]));
    for (const { key, clusterId } of asked.assignments) expect(clusterId).toBe(live.get(key));
  });

  it('says how many clusters the log suggests, in the terminal, as a page and over HTTP alike', async () => {
    const page = join(deployment.dir, 'k.html');
    const shown = await deployment.run(['k-recommend', '--k-max', '9', '--html', page]);
    expect(shown.code, shown.stderr).toBe(0);
    expect(shown.stdout).toMatch(/confidence [01]\.\d\d/);
    expect(await readFile(page, 'utf8')).toMatch(/<svg /);
    const printed = await deployment.run(['k-recommend', '--k-max', '9', '--json']);
    const { durationMs: _, ...report } = JSON.parse(printed.stdout) as Record<string, unknown>;
    const started = await post('/v1/k-recommendations', { kMax: 9 });
    const path = started.headers.get('location')!;
    const answered = await eventually('a report', async () => {
      const state = await (await fetch(`${url}${path}`)).json();
      return (state as { report: Record<string, unknown> | null }).report ?? undefined;
    });
    const { durationMs: __, ...overHttp } = answered;
    // The model's version moves on; its scale, and so the answer, stays.
    expect({ ...overHttp, modelVersion: '' }).toEqual({ ...report, modelVersion: '' });
    expect(report.points).toBe(fileRows + nines.length);
  });

  it('retrains while points flow: promoted, swapped between two transactions, nothing lost or twice', async () => {
    const mixture = new Mixture({ seed: 9, dims: nines[0]!.length, clusters: 5, badEvery: 0 });
    const traffic = new HttpStream(url, mixture);
    const [retrain, tail] = await Promise.all([
      deployment.run(['retrain', '--json']),
      deployment.run(['tail', '--max', '50']),
    ]);
    expect(tail.code).toBe(0);
    expect(tail.stdout.trimEnd().split('\n')).toHaveLength(50);
    expect(retrain.code, retrain.stderr).toBe(0);
    expect(JSON.parse(retrain.stdout)).toMatchObject({ version: '1.1.0', promoted: true });
    await sleep(1_000);
    const streamed = await traffic.stop();
    await deployment.drained();

    const { libsDir, bootstrapServers } = deployment.kafka;
    const [points, assignments] = await Promise.all([
      dumpTopic(deployment.broker, topics.points),
      readWithJava(libsDir, bootstrapServers, topics.assignments),
    ]);
    const account = accountFor(points, asDumped(assignments), []);
    expect(account.points).toBe(fileRows + nines.length + streamed);
    expect(account).toMatchObject({ lost: [], repeated: [], outOfOrder: [] });
    for (const partition of [0, 1, 2, 3]) {
      const here = assignments.filter((it) => it.partition === partition);
      const generations = here.map(({ value }) =>
        generationOf((JSON.parse(value) as Assignment).modelVersion),
      );
      expect(generations).toEqual(generations.toSorted());
      expect(new Set(generations)).toEqual(new Set(['1.0', '1.1']));
    }
    const { models } = (await (await fetch(`${url}/v1/models`)).json()) as {
      models: { version: string; aliases: string[] }[];
    };
    const champion = models.find(({ aliases }) => aliases.includes('champion'));
    expect(generationOf(champion!.version)).toBe('1.1');
  }, 90_000);

  it('lists and shows the versions, and exports one as a file that is never overwritten', async () => {
    const listed = await deployment.run(['models', 'list', '--json']);
    const versions = JSON.parse(listed.stdout) as { version: string; aliases: string[] }[];
    expect(versions.map(({ version }) => version)).toContain('1.0.0');
    expect(versions[0]!.aliases).toEqual(['champion']);
    const shown = await deployment.run(['models', 'show', 'current']);
    expect(shown.stdout).toMatch(/c\d+ .*%/);
    const out = join(deployment.dir, 'model.onnx');
    const flags = ['--format', 'onnx', '--out', out];
    expect((await deployment.run(['models', 'export', '1.0.0', ...flags])).code).toBe(0);
    expect((await readFile(out)).length).toBeGreaterThan(1_000);
    const again = await deployment.run(['models', 'export', '1.0.0', ...flags]);
    expect(again).toMatchObject({ code: 5, stderr: expect.stringContaining('exists') });
    const unknown = await deployment.run(['models', 'show', '9.9.9']);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('1.0.0') });
  });

  describe('while another process serves retrains and archives', () => {
    beforeAll(async () => {
      const own = { 'group.instance.id': 'server', 'promotion.policy': 'manual' };
      server = deployment.start(['retrain', '--serve'], own);
      await server.waitFor(/waiting for retrains to be asked for/);
    });

    it('prunes what nobody needs by a decision of the live owner, and never gives its name again', async () => {
      const doomed = [await retrained('1.2.0'), await retrained('1.3.0')];
      const dry = await deployment.run([...prune, '--dry-run', '--json']);
      const { rows } = JSON.parse(dry.stdout) as { rows: PruneRow[] };
      const kept = rows.filter(({ fate }) => fate === 'keep').map(({ version }) => version);
      expect(kept).toEqual(expect.arrayContaining(['1.1.0', '1.0.0']));
      expect(rows).toHaveLength(kept.length + doomed.length);

      expect(await deployment.run([...prune, '--yes'], elsewhere())).toMatchObject(askedFor);
      const pruned = await deployment.run([...prune, '--yes', '--json']);
      expect(pruned.code, pruned.stderr).toBe(0);
      const versions = ['1.3.0', '1.2.0'];
      expect(JSON.parse(pruned.stdout)).toMatchObject({ decision: expect.any(Number), versions });
      // The two sweep at once: which of them deletes a file is nobody's business.
      const left = await readdir(join(deployment.dir, 'artifacts', 'blobs', 'sha256'));
      for (const artifact of doomed) expect(left).not.toContain(artifact.slice('sha256/'.length));
      const history = await deployment.run(['models', 'history']);
      expect(history.stdout).toMatch(
        / prune .* 1\.3\.0, 1\.2\.0 .* meanstream models prune --keep 0/,
      );
      const gone = await deployment.run(['models', 'promote', '1.2.0']);
      expect(gone).toMatchObject({ code: 5, stderr: expect.stringContaining('1.2.0') });

      await retrained('1.4.0');
      const again = await deployment.run([...prune, '--yes', '--json']);
      expect(JSON.parse(again.stdout)).toMatchObject({ versions: ['1.4.0'] });
      expect(await deployment.run(prune)).toMatchObject({ code: 0, stdout: nothingToPrune });
    }, 60_000);

    it('exports an epoch that was pinned from its artifact, to the same bytes as when it was current', async () => {
      expect((await deployment.run(['models', 'pin'])).code).toBe(0);
      const { version } = await modelNamed('current');
      await archived(version);
      const live = await exported('current', 'live');
      expect((await deployment.run(['models', 'unpin'])).code).toBe(0);
      await post('/v1/points', { points: nines.map((vector) => ({ vector })) });
      await eventually(
        'a later epoch',
        async () => (await modelNamed('current')).version !== version,
      );
      expect(await exported(version, 'archived')).toEqual(live);

      expect(await deployment.run(exporting(version, 'lost'), elsewhere())).toMatchObject(askedFor);
    }, 60_000);
  });

  it('ends in order when told to', async () => {
    const ends = [gateway.end(), processor.process.end(), server.end()];
    expect(await Promise.all(ends)).toEqual([0, 0, 0]);
  }, 60_000);

  /** Asks for a retrain. @returns the artifact of the version it made */
  async function retrained(version: string): Promise<string> {
    expect((await post('/v1/retrains', { reason: 'to see' })).status).toBe(202);
    return archived(version);
  }

  function archived(version: string): Promise<string> {
    return eventually(`${version} is archived`, async () => {
      return (await modelNamed(version)).artifact ?? undefined;
    });
  }

  async function modelNamed(name: string): Promise<{ version: string; artifact: string | null }> {
    return (await (await fetch(`${url}/v1/models/${name}`)).json()) as never;
  }

  /** On a machine that was not told where artifacts are. */
  const elsewhere = () => ({ 'artifacts.location': join(deployment.dir, 'elsewhere') });

  const exporting = (version: string, name: string): string[] => {
    const out = join(deployment.dir, `${name}.safetensors`);
    return ['models', 'export', version, '--format', 'safetensors', '--out', out];
  };

  async function exported(version: string, name: string): Promise<Buffer> {
    const command = exporting(version, name);
    const { code, stderr } = await deployment.run(command);
    expect(code, stderr).toBe(0);
    return readFile(command.at(-1)!);
  }

  function post(path: string, body: unknown): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  }
});
