import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EmbeddedBroker } from '../broker/embedded/index.ts';
import { decodeVersion } from '../exports/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import {
  decisionKey,
  encodeModel,
  encodeModelDecision,
  type Model,
  type ModelDecision,
  modelKey,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../schemas/index.ts';
import { ArtifactStore, FolderBlobs } from '../state-stores/index.ts';
import { silentLogger, systemClock } from '../support/index.ts';
import { openLog } from '../test/support/embedded-log.ts';
import { eventually } from '../test/support/meanstream-process.ts';
import { archivedVersion, archiveVersions, keepArchived, ModelFollower } from './index.ts';

let folder: string;
let broker: EmbeddedBroker;
let artifacts: ArtifactStore;
let follower: ModelFollower;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-archive-'));
  broker = await openLog(folder);
  await broker.createTopics(
    topicSpecs({ partitions: 1, replicationFactor: 1, pointsRetentionMs: -1 }),
  );
  artifacts = new ArtifactStore(new FolderBlobs(join(folder, 'artifacts')));
  follower = await ModelFollower.open(broker);
});

afterEach(async () => {
  await follower.close();
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

const versionOf = (version: string, more: Partial<Model> = {}): Model => ({
  ...modelOf([[1], [Number(version.split('.')[2]) + 2]]),
  ...{ version, lineage: [], parameters: {} },
  ...more,
});

async function append(records: RecordBatchBuilder): Promise<void> {
  const writer = await broker.openWriter();
  await writer.append([{ topic: topics.models, partition: 0, records }]);
  await writer.close();
}

async function publish(model: Model, name = model.version): Promise<void> {
  const records = new RecordBatchBuilder();
  records.append(systemClock.nowMs(), modelKey(name), encodeModel(model));
  await append(records);
}

async function archive(anew: string[] = []): Promise<string[]> {
  await follower.catchUp();
  const { registry } = follower;
  const places = await archiveVersions({ broker, registry, artifacts, clock: systemClock }, anew);
  await follower.catchUp();
  return places.map(({ version }) => version);
}

it('keeps every version that has a record of its own, once, and no epoch', async () => {
  const candidate = versionOf('1.1.0', { parent: '1.0.7', origin: 'retrain', deltaOffset: -1 });
  for (const model of [versionOf('1.0.0'), candidate]) await publish(model);
  await publish(versionOf('1.0.9'), 'current');
  expect(await archive()).toEqual(['1.0.0', '1.1.0']);
  expect(await archive()).toEqual([]);
  const place = follower.registry.artifact('1.1.0')!;
  expect(place).toMatchObject({ deltaOffset: -1, others: [] });
  const kept = await archivedVersion(artifacts, place);
  expect(Buffer.compare(encodeModel(kept), encodeModel(candidate))).toBe(0);
});

it('keeps a version again when its promotion has recorded it anew', async () => {
  const others = ['a', 'b', 'c'].map((digit) => `sha256/${digit.repeat(64)}`);
  const parameters = { coreset: others[0]!, parent: others[1]!, summary: others[2]! };
  const candidate = versionOf('1.1.0', { origin: 'retrain', deltaOffset: -1, parameters });
  await publish(candidate);
  await archive();
  const first = follower.registry.artifact('1.1.0')!;
  expect(first.others).toEqual(others);
  await publish({ ...candidate, deltaOffset: 40, clusterIds: ['c1', 'c9'] });
  expect(await archive()).toEqual(['1.1.0']);
  const second = follower.registry.artifact('1.1.0')!;
  expect(second.artifact).not.toBe(first.artifact);
  expect((await archivedVersion(artifacts, second)).clusterIds).toEqual(['c1', 'c9']);
});

it('keeps what the champion is pinned at', async () => {
  const model = versionOf('1.0.9');
  await publish(model, 'current');
  expect(await archive()).toEqual([]);
  const records = new RecordBatchBuilder();
  const decision = { number: 1, action: 'pin', alias: 'champion', outcome: 'applied' } as const;
  const pinned = { ...decision, version: '1.0.9' } as ModelDecision;
  records.append(systemClock.nowMs(), decisionKey(1), encodeModelDecision(pinned));
  await append(records);
  expect(await archive()).toEqual(['1.0.9']);
  expect(await archive()).toEqual([]);
});

it('is killed after the artifact and before its record without harm', async () => {
  await publish(versionOf('1.0.0'));
  await follower.catchUp();
  const { registry } = follower;
  const failing = {
    openWriter: () => ({ append: () => Promise.reject(new Error('killed')), close() {} }),
  };
  const options = { registry, artifacts, clock: systemClock };
  const killed = archiveVersions({ ...options, broker: failing as never });
  await expect(killed).rejects.toThrow('killed');
  const orphans: string[] = [];
  for await (const { key } of artifacts.list()) orphans.push(key);
  expect(orphans).toHaveLength(1);
  expect(registry.artifact('1.0.0')).toBeUndefined();
  await archive();
  expect(registry.artifact('1.0.0')!.artifact).toBe(orphans[0]);
});

it('is written again from its record when its file was changed', async () => {
  await publish(versionOf('1.0.0'));
  await archive();
  const place = follower.registry.artifact('1.0.0')!;
  const file = join(folder, 'artifacts', 'blobs', place.artifact);
  const bytes = await readFile(file);
  bytes[bytes.length - 3]! ^= 1;
  await writeFile(file, bytes);
  await expect(archivedVersion(artifacts, place)).rejects.toMatchObject({
    code: 'MEANSTREAM_ARTIFACT_CORRUPTED',
  });
  expect(await archive(['1.0.0'])).toEqual(['1.0.0']);
  expect(follower.registry.artifact('1.0.0')!.artifact).toBe(place.artifact);
  expect(decodeVersion(await readFile(file)).version).toBe('1.0.0');
});

const archived = (version: string) =>
  eventually(`${version} is archived`, async () => {
    await follower.catchUp();
    return follower.registry.artifact(version);
  });

it('goes on while it is on duty, also when the store was away', async () => {
  const stopping = new AbortController();
  let failures = 1;
  const away = {
    location: 'away',
    put: (bytes: Uint8Array) =>
      failures-- > 0 ? Promise.reject(new Error('away')) : artifacts.put(bytes),
  } as unknown as ArtifactStore;
  const warned: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warned.push(text) };
  const clock = {
    ...systemClock,
    sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(5, signal),
  };
  const working = keepArchived({
    ...{ broker, artifacts: away, application: 'test', clock, logger, signal: stopping.signal },
    isOnDuty: () => true,
  });
  await publish(versionOf('1.0.0'));
  await archived('1.0.0');
  await publish(versionOf('1.1.0'));
  await archived('1.1.0');
  stopping.abort();
  await working;
  expect(warned).toEqual([expect.stringMatching(/could not be archived/)]);
});
