// What a prune plans, and the end of artifacts: files in a folder, and objects in a bucket of a real S3 server.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EmbeddedBroker } from '../broker/embedded/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import {
  decisionKey,
  encodeColumnMessage,
  encodeModel,
  encodeModelDecision,
  type Model,
  type ModelDecision,
  modelKey,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import { ArtifactStore, FolderBlobs, S3Blobs } from '../state-stores/index.ts';
import { systemClock } from '../support/index.ts';
import { openLog } from '../test/support/embedded-log.ts';
import { s3Environment, s3Missing, startS3 } from '../test/support/s3-server.ts';
import { archiveVersions, ModelFollower, planPrune, sweepArtifacts } from './index.ts';

const application = 'pruned';
const noS3 = await s3Missing();

let folder: string;
let broker: EmbeddedBroker;
let follower: ModelFollower;
let decisions: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-prune-'));
  broker = await openLog(folder);
  await broker.createTopics(
    topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }).map((spec) =>
      spec.name === topics.centroidDeltas
        ? { ...spec, configs: { ...spec.configs, 'retention.bytes': '1' } }
        : spec,
    ),
  );
  follower = await ModelFollower.open(broker);
  decisions = 0;
});

afterEach(async () => {
  await follower.close();
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

const made = (version: string, more: Partial<Model> = {}): Model => ({
  ...modelOf([[1], [2]]),
  ...{ version, parent: null, origin: 'retrain', lineage: [], parameters: {} },
  ...more,
});

async function append(topic: string, records: [Uint8Array | null, Uint8Array | null][]) {
  const batch = new RecordBatchBuilder();
  for (const [key, value] of records) batch.append(systemClock.nowMs(), key, value);
  const writer = await broker.openWriter();
  await writer.append([{ topic, partition: 0, records: batch }]);
  await writer.close();
}

async function publish(...models: Model[]): Promise<void> {
  await append(
    topics.models,
    models.map((model) => [modelKey(model.version), encodeModel(model)]),
  );
  await follower.catchUp();
}

/** As the owner does it. */
async function prune(...versions: string[]): Promise<void> {
  decisions += 1;
  const decision = {
    ...{ number: decisions, action: 'prune', alias: 'champion', outcome: 'applied' },
    ...{ version: null, previous: null, pruned: versions },
  } as unknown as ModelDecision;
  await append(topics.models, [
    ...versions.map((version): [Uint8Array, null] => [modelKey(version), null]),
    [decisionKey(decisions), encodeModelDecision(decision)],
  ]);
  await follower.catchUp();
}

async function archive(artifacts: ArtifactStore): Promise<void> {
  await archiveVersions({ broker, artifacts, registry: follower.registry, clock: systemClock });
  await follower.catchUp();
}

const sweep = (artifacts: ArtifactStore) =>
  sweepArtifacts({ broker, follower, artifacts, application, clock: systemClock });

const plan = (keep: number, olderThanMs = 0) =>
  planPrune({ broker, registry: follower.registry, clock: systemClock, keep, olderThanMs });

async function kept(artifacts: ArtifactStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of artifacts.list()) names.push(key);
  return names.sort();
}

describe('the plan', () => {
  it('takes what is beyond the newest generations and old enough, and says why all else stays', async () => {
    await publish(
      made('1.0.0', { createdAtMs: 0, deltaOffset: 3 }),
      made('1.1.0', { createdAtMs: 0, deltaOffset: -1 }),
      made('1.2.0', { createdAtMs: systemClock.nowMs(), deltaOffset: -1 }),
      made('1.3.0', { createdAtMs: 0, deltaOffset: -1 }),
    );
    const fates = async (...given: Parameters<typeof plan>) =>
      (await plan(...given)).map(({ version, fate, why }) => [version, fate, why]);
    expect(await fates(1, 3_600_000)).toEqual([
      ['1.3.0', 'keep', 'one of the newest 1 generations'],
      ['1.2.0', 'keep', 'not old enough'],
      ['1.1.0', 'delete', 'nothing needs it'],
      ['1.0.0', 'keep', 'verify goes through it: the log still has its first delta'],
    ]);
    await append(topics.centroidDeltas, [[null, new Uint8Array(100)]]);
    await append(topics.centroidDeltas, [[null, new Uint8Array(100)]]);
    await broker.maintain();
    expect((await broker.listOffsets(topics.centroidDeltas))[0]!.logStart).toBeGreaterThan(0);
    expect(await fates(2)).toEqual([
      ['1.3.0', 'keep', 'one of the newest 2 generations'],
      ['1.2.0', 'keep', 'one of the newest 2 generations'],
      ['1.1.0', 'delete', 'nothing needs it'],
      ['1.0.0', 'delete', 'nothing needs it'],
    ]);
  });
});

const coreset = (n: number, more: object = {}) =>
  encodeColumnMessage({
    type: 'coreset',
    coreset: { dims: 1, n: 1, values: Float32Array.of(n), weights: Float32Array.of(1), ranges: [] },
    ...{ metric: 'euclidean', features: [], lineage: { generation: '1.0', reference: 'x' } },
    ...more,
  });

describe.each([
  ['a folder', undefined],
  ['a bucket', noS3],
])('a sweep of %s', (place, missing) => {
  const inBucket = place === 'a bucket';
  const title = (text: string) => (missing === undefined ? text : `${text} (skipped: ${missing})`);
  let artifacts: ArtifactStore;
  let end: () => Promise<void> = async () => {};

  beforeEach(async () => {
    if (missing !== undefined) return;
    if (!inBucket) {
      artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
      return;
    }
    for (const [name, value] of Object.entries(s3Environment)) vi.stubEnv(name, value);
    const { endpoint, stop } = await startS3();
    end = stop;
    await fetch(`${endpoint}/artifacts`, { method: 'PUT' });
    artifacts = new ArtifactStore(await S3Blobs.open({ location: 's3://artifacts/all', endpoint }));
  });

  afterEach(async () => {
    await artifacts?.close();
    await end();
    vi.unstubAllEnvs();
  });

  it.skipIf(missing !== undefined)(
    title('deletes what pruned versions alone name, and nothing of others or of the next retrain'),
    async () => {
      const [old, shared, base] = await Promise.all(
        [1, 2, 3].map((n) => artifacts.put(coreset(n))),
      );
      const newest = await artifacts.put(coreset(4, { base }));
      await artifacts.swapRef(`coresets/${application}`, newest!, undefined);
      const foreign = await artifacts.put(new TextEncoder().encode('of somebody else'));
      await publish(
        made('1.1.0', { parameters: { summary: old!, coreset: base! } }),
        made('1.2.0', { parameters: { coreset: shared!, summary: newest! } }),
        made('1.3.0', { parameters: { coreset: shared! } }),
      );
      await archive(artifacts);
      const own = (version: string) => follower.registry.artifact(version)!.artifact;
      const [one, two, three] = ['1.1.0', '1.2.0', '1.3.0'].map(own);
      expect(await sweep(artifacts)).toEqual([]);

      await prune('1.1.0', '1.2.0');
      expect((await sweep(artifacts)).sort()).toEqual([one, two, old].sort());
      expect(await kept(artifacts)).toEqual([shared, base, newest, foreign, three].sort());
      await follower.catchUp();
      expect(follower.registry.artifacts().map(({ version }) => version)).toEqual(['1.3.0']);
      expect(await sweep(artifacts)).toEqual([]);

      await prune('1.3.0');
      expect((await sweep(artifacts)).sort()).toEqual([shared, three].sort());
    },
  );

  it.skipIf(missing !== undefined)(
    title('that is cut off is made good by the next one'),
    async () => {
      await publish(made('1.1.0'), made('1.2.0'));
      await archive(artifacts);
      await prune('1.1.0', '1.2.0');
      let deletions = 0;
      const failing = Object.assign(Object.create(artifacts) as ArtifactStore, {
        readRef: (name: string) => artifacts.readRef(name),
        get: (name: `sha256/${string}`) => artifacts.get(name),
        delete: (name: `sha256/${string}`) =>
          deletions++ === 0 ? artifacts.delete(name) : Promise.reject(new Error('killed')),
      });
      await expect(sweep(failing)).rejects.toThrow('killed');
      expect(await kept(artifacts)).toHaveLength(1);
      expect(await sweep(artifacts)).toHaveLength(2);
      expect(await kept(artifacts)).toEqual([]);
    },
  );
});

it('puts back what a version has come to name while it was deleted', async () => {
  const artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
  const parent = await artifacts.put(coreset(1));
  await publish(made('1.1.0', { parameters: { parent } }));
  await archive(artifacts);
  await prune('1.1.0');
  const racing = Object.assign(Object.create(artifacts) as ArtifactStore, {
    ...{ readRef: (name: string) => artifacts.readRef(name), put: artifacts.put.bind(artifacts) },
    get: (name: `sha256/${string}`) => artifacts.get(name),
    async delete(name: `sha256/${string}`) {
      const late = made('1.2.0', { parameters: { parent } });
      await append(topics.models, [[modelKey('1.2.0'), encodeModel(late)]]);
      await artifacts.delete(name);
    },
  });
  expect(await sweep(racing)).not.toContain(parent);
  expect(await kept(artifacts)).toEqual([parent]);
});

it('sweeps nothing while the newest coreset cannot be read: nobody knows what it goes on from', async () => {
  const artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
  await publish(made('1.1.0'));
  await archive(artifacts);
  const newest = await artifacts.put(coreset(1));
  await artifacts.swapRef(`coresets/${application}`, newest, undefined);
  await new FolderBlobs(join(folder, 'artifacts')).put(newest, new Uint8Array(9));
  await prune('1.1.0');
  await expect(sweep(artifacts)).rejects.toMatchObject({ code: 'MEANSTREAM_ARTIFACT_CORRUPTED' });
  expect(await kept(artifacts)).toHaveLength(2);
});

it('never deletes an artifact that a version that stays names, whoever shares it, and all others', async () => {
  const five = [0, 1, 2, 3, 4];
  const some = fc.subarray(five);
  const links = fc.array(fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)), { minLength: 5, maxLength: 5 });
  const newest = fc.option(fc.nat(4));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(links, some, some, newest, async (linked, first, then, ref) => {
      run += 1;
      const artifacts = new ArtifactStore(new FolderBlobs(join(folder, `artifacts-${run}`)));
      const pool = await Promise.all(five.map((n) => artifacts.put(coreset(10 * run + n))));
      if (ref !== null) await artifacts.swapRef(`coresets/${application}`, pool[ref]!, undefined);
      const models = linked.map((indices, i) => {
        const [begun, parent, summary] = indices.map((at) => pool[at]!);
        const parameters = { coreset: begun!, parent: parent!, summary: summary! };
        return made(`${run}.${i}.0`, { parameters });
      });
      await publish(...models);
      await archive(artifacts);
      const named = ({ version, parameters }: Model) => [
        follower.registry.artifact(version)!.artifact,
        ...Object.values(parameters!),
      ];
      const gone = new Set([...first, ...then]);
      const pruned = [...gone].flatMap((i) => named(models[i]!));
      const wanted = models.flatMap((model, i) => (gone.has(i) ? [] : named(model)));
      if (ref !== null) wanted.push(pool[ref]!);
      for (const indices of [first, then.filter((i) => !first.includes(i))]) {
        if (indices.length > 0) await prune(...indices.map((i) => models[i]!.version));
        await sweep(artifacts);
        await follower.catchUp();
      }
      const there = await kept(artifacts);
      expect(there).toEqual(expect.arrayContaining(wanted));
      const doomed = pruned.filter((name) => !wanted.includes(name));
      expect(there.filter((name) => doomed.includes(name as (typeof doomed)[number]))).toEqual([]);
    }),
    { numRuns: 40 },
  );
}, 60_000);
