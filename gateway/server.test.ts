// Every route through a real socket: fetch for HTTP, the ws package as the other side's WebSocket.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import {
  type DriftReport,
  encodeClusterEvent,
  encodeDrift,
  encodeQuality,
  topics,
} from '../schemas/index.ts';
import { until } from '../test/support/until.ts';
import type { KRequest, Status } from './index.ts';
import {
  assignmentRecord,
  type GatewayFixture,
  modelOf,
  startGateway,
} from './testing/gateway-fixture.ts';

const dashboardDir = mkdtempSync(join(tmpdir(), 'dashboard-'));
writeFileSync(join(dashboardDir, 'index.html'), '<!doctype html><title>Meanstream</title>');
writeFileSync(join(dashboardDir, 'app.js'), 'export {};');
writeFileSync(join(dashboardDir, 'app.js.map'), '{}');

let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await startGateway({ dashboardDir });
});
afterAll(() => fixture.stop());

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${fixture.url}${path}`, init);
}

function post(path: string, body: string | Uint8Array, contentType = 'application/json') {
  const headers = { 'content-type': contentType };
  return get(path, { method: 'POST', body: body as string, headers });
}

async function problem(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body = (await response.json()) as Record<string, unknown>;
  expect(body).toMatchObject({ status: response.status });
  expect(body.type).toMatch(/^urn:meanstream:problem:[a-z-]+$/);
  expect(body.code).toMatch(/^MEANSTREAM_[A-Z_]+$/);
  return body;
}

async function pointsInLog(partition: number): Promise<string[]> {
  const reader = fixture.broker.openReader({ topic: topics.points, partition }, 0);
  const batch = await reader.read({ rowsMax: 10_000, waitMsMax: 0 });
  const texts = Array.from({ length: batch.n }, (_, row) =>
    new TextDecoder().decode(batch.bytes.subarray(batch.valueStarts[row]!, batch.valueEnds[row]!)),
  );
  await reader.close();
  return texts;
}

async function totalPoints(): Promise<number> {
  const bounds = await fixture.broker.listOffsets(topics.points);
  return bounds.reduce((sum, { end }) => sum + end, 0);
}

/** A client that keeps what it hears. */
async function listen(path: string, on: GatewayFixture = fixture) {
  const socket = new WebSocket(`${on.url.replace('http', 'ws')}${path}`);
  const frames: Record<string, unknown>[] = [];
  const binary: Buffer[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) binary.push(data);
    else frames.push(JSON.parse(data.toString()));
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return { socket, frames, binary };
}

function assignmentsIn(frames: readonly Record<string, unknown>[]) {
  return frames
    .filter(({ type }) => type === 'assignments')
    .flatMap(({ assignments }) => assignments as { offset: number; clusterId: string }[]);
}

describe('/v1/k-recommendations', () => {
  let release: (report: object) => void = () => {};
  const asked: KRequest[] = [];
  let on: GatewayFixture;

  beforeAll(async () => {
    on = await startGateway({
      dashboardDir,
      recommendK: (request, onProgress) => {
        asked.push(request);
        onProgress({ records: 3, of: 10 });
        return new Promise((resolve) => {
          release = resolve;
        });
      },
    });
  });
  afterAll(() => on.stop());

  const ask = (body = '') =>
    fetch(`${on.url}/v1/k-recommendations`, { method: 'POST', ...(body && { body }) });
  const state = async (path: string): Promise<Record<string, unknown>> =>
    (await fetch(`${on.url}${path}`)).json() as Promise<Record<string, unknown>>;

  test('starts one, says how far it is, and shows its report', async () => {
    const response = await ask('{"kMax":9,"seed":4}');
    expect(response.status).toBe(202);
    const location = response.headers.get('location')!;
    expect(await state(location)).toMatchObject({
      state: 'running',
      progress: { records: 3, of: 10 },
      report: null,
    });
    const second = await ask();
    expect(second.status).toBe(429);
    expect((await problem(second)).detail).toContain('still running');
    release({ k: 5 });
    await until('the report is there', async () => (await state(location)).state === 'done');
    expect(await state(location)).toMatchObject({
      report: { k: 5 },
      request: { kMax: 9, seed: 4 },
    });
    expect(asked).toEqual([{ kMax: 9, seed: 4 }]);
  });

  test.each(['[]', 'no', '{"kMax":1}', '{"kMax":"9"}', '{"kMax":101}', '{"seed":-1}', '{"k":3}'])(
    'refuses %s and starts nothing',
    async (body) => {
      const before = asked.length;
      const response = await ask(body);
      expect(response.status).toBe(400);
      expect((await problem(response)).detail).toContain('No recommendation was started');
      expect(asked).toHaveLength(before);
    },
  );

  test('knows no recommendation that nobody asked for', async () => {
    expect((await fetch(`${on.url}/v1/k-recommendations/99`)).status).toBe(404);
  });
});

describe('POST /v1/points', () => {
  test('answers 202 with the place of each point, in the order sent, and writes them as they came', async () => {
    const body =
      '{"points":[{"key":"a","vector":[1,2]},{"vector":[3,4],"weight":2},{"key":"a","vector":[5,6]}]}';
    const response = await post('/v1/points', body);
    expect(response.status).toBe(202);
    const { accepted } = (await response.json()) as {
      accepted: { partition: number; offset: string }[];
    };
    expect(accepted).toHaveLength(3);
    expect(accepted[0]!.partition).toBe(accepted[2]!.partition);
    const texts = await Promise.all(
      accepted.map(async ({ partition, offset }) => (await pointsInLog(partition))[Number(offset)]),
    );
    expect(texts).toEqual([
      '{"key":"a","vector":[1,2]}',
      '{"vector":[3,4],"weight":2}',
      '{"key":"a","vector":[5,6]}',
    ]);
  });

  test('takes one point alone, NDJSON and raw float32', async () => {
    const before = await totalPoints();
    expect((await post('/v1/points', '{"vector":[1,2]}')).status).toBe(202);
    expect((await post('/v1/points', '[1,2]\n[3,4]\n', 'application/x-ndjson')).status).toBe(202);
    const raw = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const type = 'application/vnd.meanstream.float32';
    expect((await post('/v1/points?dimensions=2', raw, type)).status).toBe(202);
    expect(await totalPoints()).toBe(before + 6);
    expect((await post('/v1/points?dimensions=4', raw, type)).status).toBe(400);
    expect((await post('/v1/points', raw, type)).status).toBe(400);
  });

  test('one bad point and nothing of the request is accepted; the answer names it', async () => {
    const before = await totalPoints();
    const response = await post('/v1/points', '{"points":[[1,2],{"vector":[1,"x"]}]}');
    expect(response.status).toBe(400);
    expect(await problem(response)).toMatchObject({
      code: 'MEANSTREAM_INVALID_POINT',
      index: 1,
      field: 'vector/1',
      reason: 'not_a_number',
      detail: expect.stringMatching(/^Point 1: .*send a finite number/),
    });
    expect(await totalPoints()).toBe(before);
  });

  test('keyless points of one request stay together and requests take turns', async () => {
    const places = [];
    for (let i = 0; i < 4; i += 1) {
      const response = await post('/v1/points', '{"points":[[1,2],[3,4]]}');
      const { accepted } = (await response.json()) as { accepted: { partition: number }[] };
      places.push(accepted.map(({ partition }) => partition));
    }
    expect(new Set(places.map(([first, second]) => first === second))).toEqual(new Set([true]));
    expect(new Set(places.flat()).size).toBe(2);
  });

  test('concurrent requests each get their own offsets', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const response = await post('/v1/points', `{"points":[[${i},1],[${i},2]]}`);
        const { accepted } = (await response.json()) as {
          accepted: { partition: number; offset: string }[];
        };
        return { i, accepted };
      }),
    );
    const logs = [await pointsInLog(0), await pointsInLog(1)];
    for (const { i, accepted } of answers) {
      const texts = accepted.map(({ partition, offset }) => logs[partition]![Number(offset)]);
      expect(texts).toEqual([`[${i},1]`, `[${i},2]`]);
    }
  });

  test.each([
    [999, 202],
    [1_000, 202],
    [1_001, 413],
  ])('%i points give %i', async (count, status) => {
    const points = Array.from({ length: count }, () => '[1,2]').join(',');
    const response = await post('/v1/points', `{"points":[${points}]}`);
    expect(response.status).toBe(status);
    if (status === 413)
      expect(await problem(response)).toMatchObject({ reason: 'too_many_points' });
  });

  test.each([
    [1_048_575, 202],
    [1_048_576, 202],
    [1_048_577, 413],
  ])('a body of %i bytes gives %i', async (bytes, status) => {
    const body = '[1,2]'.padEnd(bytes, ' ');
    const response = await post('/v1/points', body);
    expect(response.status).toBe(status);
  });

  test('a body sent in pieces is bounded too', async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i += 1) controller.enqueue(new Uint8Array(65_536).fill(0x20));
        controller.close();
      },
    });
    const sent = get('/v1/points', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    } as RequestInit);
    // The connection ends with the answer, perhaps before the client has sent all.
    const status = await sent.then(
      (response) => response.status,
      () => 413,
    );
    expect(status).toBe(413);
    expect((await get('/livez')).status).toBe(200);
  });

  test('JSON nested too deep is refused', async () => {
    const response = await post('/v1/points', `{"vector":${'['.repeat(40)}1${']'.repeat(40)}}`);
    expect(await problem(response)).toMatchObject({ status: 400, reason: 'too_deep' });
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded'])(
    'content of type %s is refused with what to send',
    async (contentType) => {
      const response = await post('/v1/points', '[1,2]', contentType);
      expect(await problem(response)).toMatchObject({
        status: 415,
        detail: expect.stringContaining('application/json'),
      });
    },
  );
});

describe('answers from the model', () => {
  test('without a model assign says so and how to get one', async () => {
    expect(await problem(await post('/v1/assign', '[1,2]'))).toMatchObject({
      status: 503,
      code: 'MEANSTREAM_NO_MODEL',
    });
    expect((await get('/readyz')).status).toBe(503);
    expect(await (await get('/v1/clusters')).json()).toEqual({ modelVersion: null, clusters: [] });
    expect(await (await get('/v1/models')).json()).toEqual({ models: [] });
  });

  test('assign gives the nearest clusters in the order sent and learns nothing', async () => {
    await fixture.publishModel(
      modelOf([
        [0, 0],
        [10, 0],
      ]),
    );
    const before = await totalPoints();
    const body = '{"points":[{"key":"k","vector":[9,0]},[1,0]]}';
    const response = await post('/v1/assign', body);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      modelVersion: '1.0.0',
      assignments: [
        { key: 'k', clusterId: 'c2', distance: 1, margin: expect.closeTo(8 / 9), outlierScore: 0 },
        { key: null, clusterId: 'c1', distance: 1, margin: expect.closeTo(8 / 9), outlierScore: 0 },
      ],
    });
    expect(await totalPoints()).toBe(before);
  });

  test('points of another length than the model are refused', async () => {
    const response = await post('/v1/points', '[1,2,3]');
    expect(await problem(response)).toMatchObject({ status: 400, reason: 'wrong_length' });
  });

  test('models, one model and the alias are described', async () => {
    const { models } = (await (await get('/v1/models')).json()) as { models: unknown[] };
    const model = {
      version: '1.0.0',
      parent: null,
      createdAt: '2023-11-14T22:13:20.000Z',
      origin: 'bootstrap',
      k: 2,
      dimensions: 2,
      metric: 'euclidean',
      missing: 'reject',
      offsets: { 0: { from: 0, to: 10 } },
      quality: { meanSquaredDistance: 1, imbalance: 1 },
      aliases: ['champion'],
      artifact: null,
    };
    expect(models).toEqual([model]);
    for (const name of ['1.0.0', 'champion', 'current']) {
      expect(await (await get(`/v1/models/${name}`)).json()).toMatchObject(model);
    }
    expect((await problem(await get('/v1/models/9.9.9'))).status).toBe(404);
  });

  test('clusters have centroids in input units, weight, share and radius', async () => {
    const answer = (await (await get('/v1/clusters')).json()) as { clusters: unknown[] };
    expect(answer).toMatchObject({ modelVersion: '1.0.0' });
    expect(answer.clusters[1]).toEqual({
      clusterId: 'c2',
      centroid: [10, 0],
      weight: 200,
      share: 200 / 300,
      radius: Math.sqrt(0.5),
    });
    expect(await (await get('/v1/clusters/c2')).json()).toMatchObject({ clusterId: 'c2' });
    expect((await problem(await get('/v1/clusters/c9'))).status).toBe(404);
  });
});

describe('GET /v1/assignments/{key}', () => {
  test('gives the latest of a key, whatever bytes the key has', async () => {
    const odd = Uint8Array.of(0xff, 0x00);
    await fixture.append(topics.assignments, 0, [
      assignmentRecord({ key: 'sensor/ä 1', offset: 1, clusterId: 'c1' }),
      assignmentRecord({ key: 'sensor/ä 1', offset: 2, clusterId: 'c2' }),
      { ...assignmentRecord({ key: 'base64:/wA=', offset: 3 }), key: odd },
    ]);
    const path = `/v1/assignments/${encodeURIComponent('sensor/ä 1')}`;
    await until('the assignment is there', async () => (await get(path)).status === 200);
    expect(await (await get(path)).json()).toMatchObject({ offset: 2, clusterId: 'c2' });
    const bytes = await get(`/v1/assignments/${encodeURIComponent('base64:/wA=')}`);
    expect(await bytes.json()).toMatchObject({ offset: 3 });
  });

  test('points without a key are not kept', async () => {
    await fixture.append(topics.assignments, 0, [
      assignmentRecord({ offset: 777 }),
      assignmentRecord({ key: 'after', offset: 778 }),
    ]);
    await until(
      'the last one is there',
      async () => (await get('/v1/assignments/after')).status === 200,
    );
    expect((await get('/v1/assignments/0-777')).status).toBe(404);
  });

  test('an unknown key is a 404, bad encoding a 400', async () => {
    expect((await problem(await get('/v1/assignments/nobody'))).status).toBe(404);
    expect((await problem(await get('/v1/assignments/%ff'))).status).toBe(400);
  });
});

describe('WS /v1/assignments/live', () => {
  test('every assignment after the connection comes exactly once, in order', async () => {
    const { socket, frames } = await listen('/v1/assignments/live');
    const total = 2_500;
    for (let from = 100; from < 100 + total; from += 250) {
      const records = Array.from({ length: 250 }, (_, i) => assignmentRecord({ offset: from + i }));
      await fixture.append(topics.assignments, 0, records);
    }
    await until('all have come', () => assignmentsIn(frames).length >= total);
    const offsets = assignmentsIn(frames).map(({ offset }) => offset);
    expect(offsets).toEqual(Array.from({ length: total }, (_, i) => 100 + i));
    expect(assignmentsIn(frames)[0]).toMatchObject({
      clusterId: 'c1',
      distance: 0.5,
      margin: 0.25,
      outlierScore: 0.1,
      modelVersion: '1.0.0',
    });
    socket.close();
  });

  test('filters by cluster, key and sample', async () => {
    const byCluster = await listen('/v1/assignments/live?cluster=c2&cluster=c3');
    const byKey = await listen('/v1/assignments/live?key=b&cluster=c2');
    const sampled = await listen('/v1/assignments/live?sample=0.25');
    const records = Array.from({ length: 1_000 }, (_, i) =>
      assignmentRecord({ offset: i, clusterId: `c${i % 4}`, key: i % 8 === 2 ? 'b' : 'a' }),
    );
    await fixture.append(topics.assignments, 1, records);
    await until(
      'those of the cluster have come',
      () => assignmentsIn(byCluster.frames).length === 500,
    );
    await until('those of the key have come', () => assignmentsIn(byKey.frames).length === 125);
    await until('enough of the sample have come', () => assignmentsIn(sampled.frames).length > 200);
    expect(assignmentsIn(sampled.frames).length).toBeLessThan(300);
    for (const { socket } of [byCluster, byKey, sampled]) socket.close();
  });

  test('a bad filter refuses the upgrade', async () => {
    await expect(listen('/v1/assignments/live?sample=2')).rejects.toThrow('400');
  });

  test('a page of another site is refused, one of ours is not', async () => {
    const address = `${fixture.url.replace('http', 'ws')}/v1/assignments/live`;
    const outcome = (origin: string) =>
      new Promise((resolve) => {
        const socket = new WebSocket(address, { origin });
        socket.once('open', () => resolve('open'));
        socket.once('error', (error) => resolve(error.message));
      });
    expect(await outcome('https://evil.example')).toContain('403');
    expect(await outcome(fixture.url)).toBe('open');
  });

  test('a plain GET is told to upgrade', async () => {
    expect((await problem(await get('/v1/assignments/live'))).status).toBe(426);
  });
});

describe('events, drift and quality', () => {
  test('a cluster event reaches the listeners once', async () => {
    const { socket, frames } = await listen('/v1/events/live');
    const event = {
      type: 'born' as const,
      clusterId: 'c7',
      modelVersion: '1.0.0',
      timestampMs: 5,
      details: {},
    };
    await fixture.append(topics.clusterEvents, 0, [
      { key: 'c7', value: encodeClusterEvent(event) },
    ]);
    await until('the event has come', () => frames.length > 0);
    expect(frames).toEqual([{ type: 'event', event }]);
    socket.close();
  });

  test('drift reports and a message nobody can read', async () => {
    const report: DriftReport = {
      ...{ window: 1, modelVersion: '1.0.0', timestampMs: 1, count: 10, psi: 0.3 },
      ...{ pageHinkley: 2, pageHinkleyThreshold: 5, featureShift: null },
      ...{ meanStandardisedDistance: 1, outlierRate: 0, level: 'alarm', detectors: ['psi'] },
    };
    await fixture.append(topics.drift, 0, [
      { key: null, value: 'not json' },
      { key: null, value: encodeDrift(report) },
    ]);
    const drift = async () => (await (await get('/v1/drift')).json()) as { reports: unknown[] };
    await until('the report is there', async () => (await drift()).reports.length > 0);
    expect(await drift()).toEqual({ latest: report, reports: [report] });
  });

  test('quality adds the summaries of the newest generation', async () => {
    const summary = (modelVersion: string, count: number) =>
      encodeQuality({
        ...{ modelVersion, partition: 0, fromOffset: 0, nextOffset: count, timestampMs: count },
        ...{ count, weight: count, clusterCounts: Float64Array.of(count, 0) },
        ...{ standardisedDistanceSum: count, standardisedDistanceSquareSum: count },
        ...{ inertia: 2 * count, outliers: 1 },
        ...{ featureSums: Float64Array.of(0, 0), featureSquareSums: Float64Array.of(0, 0) },
      });
    await fixture.append(topics.quality, 0, [
      { key: null, value: summary('0.9.1', 1_000) },
      { key: null, value: summary('1.0.1', 10) },
      { key: null, value: summary('1.0.2', 30) },
    ]);
    const quality = async () => (await (await get('/v1/quality')).json()) as { recent: unknown };
    await until('the window is there', async () => (await quality()).recent !== null);
    expect(await quality()).toMatchObject({
      modelVersion: '1.0.0',
      recent: { count: 40, meanSquaredDistance: 2, outlierRate: 0.05, clusterShares: [1, 0] },
    });
  });
});

describe('operations', () => {
  test('probes answer in a word, and in full when asked', async () => {
    for (const path of ['/livez', '/readyz', '/startupz']) {
      const response = await get(path);
      expect([path, response.status, await response.text()]).toEqual([path, 200, 'ok\n']);
    }
    expect(await (await get('/readyz?verbose')).json()).toMatchObject({
      ok: true,
      ready: true,
      reasons: [],
      detail: { gateway: { hasModel: true, catchingUp: [] } },
    });
  });

  test('metrics are those of the process', async () => {
    const text = await (await get('/metrics')).text();
    expect(text).toContain('meanstream_http_request_duration_seconds_bucket');
    expect(text).toContain('meanstream_model_version_info{version="1.0.0",alias="champion"} 1');
    expect(text).toContain('meanstream_cluster_weight_ratio{cluster="c1"}');
    expect(text).toContain('meanstream_consumer_lag_records{topic="points",partition="0"}');
  });

  test('the status holds what the page shows', async () => {
    const status = async () => (await (await get('/v1/status')).json()) as Status;
    expect(await status()).toMatchObject({ model: { version: '1.0.0' }, clusterCount: 2 });
    await until(
      'the lag counts every point',
      async () => (await status()).lag?.records === (await totalPoints()),
    );
  });

  test('the page comes with a policy, an etag and nothing else from its folder', async () => {
    const page = await get('/');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const etag = page.headers.get('etag')!;
    expect((await get('/', { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await get('/app.js')).headers.get('content-type')).toContain('text/javascript');
    expect((await get('/app.js.map')).status).toBe(404);
    expect((await get('/', { method: 'HEAD' })).headers.get('content-length')).toBe(
      page.headers.get('content-length'),
    );
  });

  test('an unknown path is a 404, a wrong method a 405 that says which', async () => {
    expect(await problem(await get('/v2/points'))).toMatchObject({
      status: 404,
      instance: '/v2/points',
    });
    const response = await get('/v1/points', { method: 'DELETE' });
    expect(response.headers.get('allow')).toBe('POST');
    expect((await problem(response)).status).toBe(405);
  });
});

describe('WS /v1/map/live', () => {
  test('sends the status at once, then the map as text and points that belong together', async () => {
    const { append } = fixture;
    const base = await append(
      topics.points,
      0,
      Array.from({ length: 100 }, (_, i) => ({ key: null, value: `[${i % 11},${i % 7}]` })),
    );
    await append(
      topics.assignments,
      0,
      Array.from({ length: 100 }, (_, i) =>
        assignmentRecord({ offset: base + i, clusterId: i % 11 < 5 ? 'c1' : 'c2' }),
      ),
    );
    const { socket, frames, binary } = await listen('/v1/map/live');
    await until('the map has come', () => binary.length > 0);
    expect(frames[0]).toMatchObject({ type: 'status', model: { version: '1.0.0' } });
    const map = frames.find(({ type }) => type === 'map') as { points: number; clusters: object[] };
    expect(map.clusters).toHaveLength(2);
    expect(map.points).toBeGreaterThanOrEqual(100);
    expect(binary[0]!.length).toBe(8 * map.points);
    const clusters = new Set<number>();
    for (let at = 4; at < binary[0]!.length; at += 8) clusters.add(binary[0]!.readUInt16LE(at));
    expect(clusters).toEqual(new Set([0, 1]));
    socket.close();
  });
});

describe('a restart', () => {
  test('goes on where the table stood, with everything that came in between', async () => {
    const first = await startGateway({ dashboardDir });
    const answer = async (on: GatewayFixture, key: string) =>
      (await fetch(`${on.url}/v1/assignments/${key}`)).status;
    await first.append(topics.assignments, 0, [assignmentRecord({ key: 'old', offset: 0 })]);
    await until('the old one is there', async () => (await answer(first, 'old')) === 200);
    await first.gateway.stop();
    await first.append(topics.assignments, 1, [assignmentRecord({ key: 'new', offset: 0 })]);
    const second = await first.restart();
    await until('the new one is there', async () => (await answer(second, 'new')) === 200);
    expect(await answer(second, 'old')).toBe(200);
    await second.stop();
  });

  test('a gateway without topics says which are missing and how to make them', async () => {
    const broken = await startGateway({ dashboardDir });
    await broken.broker.deleteTopics([topics.drift]);
    await expect(broken.restart()).rejects.toMatchObject({
      code: 'MEANSTREAM_DEPENDENCY_DOWN',
      fields: { missing: ['drift'] },
    });
    await broken.broker.close();
  });
});

describe('a model by cosine that fills in means', () => {
  let on: GatewayFixture;

  beforeAll(async () => {
    on = await startGateway({ dashboardDir });
    const model = modelOf([
      [1, 0],
      [0, 1],
    ]);
    const featureMeans = Float64Array.of(0.5, 0.5);
    await on.publishModel({ ...model, metric: 'cosine', missing: 'mean', featureMeans });
    await until(
      'the model is there',
      async () => (await read<{ models: object[] }>('/v1/models')).models.length > 0,
    );
  });
  afterAll(() => on.stop());

  const read = async <T>(path: string): Promise<T> =>
    (await (await fetch(`${on.url}${path}`)).json()) as T;
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, type = 'application/json') =>
    fetch(`${on.url}${path}`, { method: 'POST', headers: { 'content-type': type }, body });

  test('answers 1 − cos, whatever the length, and takes null and a float32 NaN for missing', async () => {
    const points = [{ vector: [3000, 4000] }, { vector: [0, 0.5] }, { vector: [null, 7] }];
    type Answers = { assignments: { distance: number }[] };
    const first = await post('/v1/assign', JSON.stringify({ points }));
    const { assignments } = (await first.json()) as Answers;
    expect(assignments).toMatchObject([
      { clusterId: 'c2', distance: expect.closeTo(0.2, 6) },
      { clusterId: 'c2', distance: 0 },
      // The value there is as large as in a whole direction, √½, beside the mean of ½: cos = √⅔.
      { clusterId: 'c2', distance: expect.closeTo(1 - Math.sqrt(2 / 3), 6) },
    ]);
    const raw = new Uint8Array(Float32Array.of(Number.NaN, 7).buffer);
    const type = 'application/vnd.meanstream.float32';
    const again = (await (await post('/v1/assign', raw, type)).json()) as Answers;
    expect(again.assignments[0]!.distance).toBe(assignments[2]!.distance);
    expect((await post('/v1/points', raw, type)).status).toBe(202);
  });

  test('refuses a point without direction, and says where and why', async () => {
    const body = JSON.stringify({ points: [{ vector: [1, 0] }, { vector: [0, null] }] });
    for (const path of ['/v1/points', '/v1/assign']) {
      const response = await post(path, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        reason: 'zero_vector',
        index: 1,
        field: 'vector',
        pointer: '/points/1/vector',
      });
    }
  });

  test('says metric and policy, and a radius in 1 − cos', async () => {
    const { models } = await read<{ models: object[] }>('/v1/models');
    expect(models[0]).toMatchObject({ metric: 'cosine', missing: 'mean' });
    const { clusters } = await read<{ clusters: { radius: number }[] }>('/v1/clusters');
    expect(clusters[0]!.radius).toBe(100 / 100 / 2);
  });
});
