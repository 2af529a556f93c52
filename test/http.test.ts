// What a stranger does first: start it, post points, watch a WebSocket, ask for clusters.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Assignment } from '../schemas/index.ts';
import { hearAssignments } from './support/live-assignments.ts';
import { eventually, MeanstreamProcess } from './support/meanstream-process.ts';

const nines = [
  [50, 21, 77, 0, 28, 0, 27, 48, 22],
  [53, 0, 82, 0, 52, -5, 29, 30, 2],
  [37, 0, 76, 0, 28, 18, 40, 48, 8],
];

describe('the demo of `meanstream dev`', () => {
  let dataDir: string;
  let dev: MeanstreamProcess;
  let url: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'meanstream-http-'));
    dev = new MeanstreamProcess(['dev', '--port', '0', '--data-dir', dataDir]);
    url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
    await eventually('the first model', async () => (await fetch(`${url}/readyz`)).ok, 60_000);
  });

  afterAll(async () => {
    await dev?.end();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('answers three posted points with offsets, and assigns each once on a WebSocket opened before', async () => {
    const live = await hearAssignments(url);
    const mine = () => live.received.filter(({ key }) => key?.startsWith('mine-'));
    const points = nines.map((vector, i) => ({ key: `mine-${i}`, vector }));

    const posted = await post('/v1/points', { points });
    expect(posted.status).toBe(202);
    const { accepted } = (await posted.json()) as {
      accepted: { partition: number; offset: string }[];
    };
    expect(accepted).toHaveLength(3);
    for (const { offset } of accepted) expect(offset).toMatch(/^\d+$/);

    await eventually('three assignments', () => mine().length >= 3);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    live.close();
    expect(
      mine()
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['mine-0', 'mine-1', 'mine-2']);
    for (const assignment of mine()) {
      const at = accepted[Number(assignment.key!.slice('mine-'.length))]!;
      expect(assignment.partition).toBe(at.partition);
      expect(String(assignment.offset)).toBe(at.offset);
      expect(assignment.clusterId).toMatch(/^c\d+$/);
      expect(assignment.distance).toBeGreaterThanOrEqual(0);
      expect(assignment.margin).toBeGreaterThanOrEqual(0);
      expect(assignment.margin).toBeLessThanOrEqual(1);
      expect(assignment.outlierScore).toBeGreaterThanOrEqual(0);
      expect(assignment.outlierScore).toBeLessThanOrEqual(1);
      expect(assignment.modelVersion).toMatch(/^\d+\.\d+\.\d+$/);
    }

    const asked = (await (await post('/v1/assign', { points })).json()) as {
      modelVersion: string;
      assignments: Assignment[];
    };
    expect(asked.assignments).toHaveLength(3);
    const clusterOf = new Map(mine().map(({ key, clusterId }) => [key, clusterId]));
    const byKey = await fetch(`${url}/v1/assignments/mine-0`);
    expect(((await byKey.json()) as Assignment).clusterId).toBe(clusterOf.get('mine-0'));
  });

  it('refuses a request with a bad point as a whole, naming it and its field', async () => {
    const answer = await post('/v1/points', {
      points: [{ vector: nines[0] }, { vector: [1, 2, 'three'] }],
    });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    const text = await answer.text();
    expect(text).toContain('/points/1');
  });

  it('serves models, clusters, metrics and health', async () => {
    const clusters = (await (await fetch(`${url}/v1/clusters`)).json()) as {
      clusters: { clusterId: string; centroid: number[] }[];
    };
    expect(clusters.clusters).toHaveLength(8);
    expect(clusters.clusters[0]!.centroid).toHaveLength(9);
    const models = (await (await fetch(`${url}/v1/models`)).json()) as {
      models: { version: string; aliases: string[] }[];
    };
    expect(models.models.some(({ aliases }) => aliases.includes('champion'))).toBe(true);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/^meanstream_points_assigned_total \d+/m);
    for (const path of ['/livez', '/readyz', '/startupz']) {
      expect((await fetch(`${url}${path}`)).status).toBe(200);
    }
    expect((await fetch(`${url}/v1/nothing`)).status).toBe(404);
  });

  function post(path: string, body: unknown): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  }
});

describe('`meanstream dev --no-demo` on an empty log', () => {
  it('waits with the first model until there are k distinct points, says so, then assigns all of them as POST /v1/assign does', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'meanstream-empty-'));
    const settings = ['model.k=2', 'bootstrap.wait.ms=500'].flatMap((set) => ['--set', set]);
    const dev = new MeanstreamProcess([
      ...['dev', '--no-demo', '--port', '0', '--data-dir', dataDir],
      ...settings,
    ]);
    try {
      const url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
      expect((await fetch(`${url}/readyz`)).status).toBe(503);
      const post = (points: unknown) =>
        fetch(`${url}/v1/points`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ points }),
        });
      expect((await post([{ key: 'a', vector: [0, 0] }])).status).toBe(202);
      await dev.waitFor(/2 distinct points/, 15_000);
      expect((await fetch(`${url}/v1/assignments/a`)).status).toBe(404);
      await post([
        { key: 'b', vector: [0.1, 0] },
        { key: 'c', vector: [9, 9] },
      ]);
      const clusterOf = (key: string) =>
        eventually(`the assignment of ${key}`, async () => {
          const answer = await fetch(`${url}/v1/assignments/${key}`);
          return answer.ok && ((await answer.json()) as Assignment).clusterId;
        });
      const clusters = [await clusterOf('a'), await clusterOf('b'), await clusterOf('c')];
      expect(clusters[1]).toBe(clusters[0]);
      expect(clusters[2]).not.toBe(clusters[0]);

      const asked = await fetch(`${url}/v1/assign`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          points: [{ vector: [0, 0] }, { vector: [0.1, 0] }, { vector: [9, 9] }],
        }),
      });
      const { assignments } = (await asked.json()) as { assignments: Assignment[] };
      expect(assignments.map(({ clusterId }) => clusterId)).toEqual(clusters);
    } finally {
      await dev.end();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
