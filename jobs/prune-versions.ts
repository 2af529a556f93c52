// Which versions and artifacts nobody needs any more, and their end.
//
// 1. Plan: beyond the newest generations, and old enough, what neither an alias, nor a rollback, nor the lineage of what stays holds
//    (state-stores/version-retention.ts). While the log has its first delta `verify` goes through every generation that was champion,
//    and all of them stay.
// 2. The owner of the model decides, between promotions and rollbacks in the order of the log: all of it or, when something has come
//    to be needed meanwhile, nothing. With its decision the records are gone, for good and for everybody.
// 3. Sweep: the artifacts of versions that were pruned, unless one that stays names them too, or the next retrain begins with them. What
//    other applications keep in the same place is never looked at. Cut off, it is done by the next sweep: the record that names
//    an artifact goes after its file.
//
// A retrain under way cannot lose what it needs. The coreset it began with is the newest, or the one that the newest goes on from. Its
// parent may be that of a pruned version too: so a sweep looks once more after it has deleted, and puts back what a version has come to
// name, and a retrain puts its parent again once its version is there. Whichever of the two is later makes it good.

import type { Broker } from '../broker/index.ts';
import {
  artifactKey,
  compareVersions,
  generationOf,
  type Model,
  RecordBatchBuilder,
  topics,
} from '../schemas/index.ts';
import {
  type ArtifactName,
  type ArtifactStore,
  type ModelRegistry,
  neededVersions,
} from '../state-stores/index.ts';
import { ArtifactCorruptedError, type Clock, InvalidSettingError } from '../support/index.ts';
import { neededCoresets } from './coreset-archive.ts';
import type { ModelFollower } from './model-follower.ts';
import { artifactsBehind, versionsToArchive } from './version-archive.ts';

export interface PrunePolicy {
  /** The newest generations that stay, whatever their age. */
  readonly keep: number;
  /** Those younger stay too. */
  readonly olderThanMs: number;
}

export interface PruneRow {
  readonly version: string;
  readonly origin: Model['origin'];
  readonly createdAtMs: number;
  readonly fate: 'keep' | 'delete';
  readonly why: string;
  /** Of its artifact; null while it is not archived. */
  readonly bytes: number | null;
}

export interface PruneOptions extends PrunePolicy {
  readonly broker: Broker;
  /** Up to date. */
  readonly registry: ModelRegistry;
  readonly clock: Clock;
}

/** Newest first. */
export async function planPrune(options: PruneOptions): Promise<PruneRow[]> {
  const { broker, registry } = options;
  const versions = registry
    .keptVersions()
    .sort((a, b) => compareVersions(b, a))
    .map((version) => registry.kept(version))
    .filter((model) => model !== undefined);
  const [deltas] = await broker.listOffsets(topics.centroidDeltas);
  const stays = reasonsToStay(versions, options, deltas?.logStart === 0);
  const unwanted = new Set(
    versions.map(({ version }) => version).filter((version) => !stays.has(version)),
  );
  const needed = neededVersions({ ...registry.holders(), versions }, unwanted);
  return versions.map(({ version, origin, createdAtMs }) => {
    const why = needed.get(version) ?? stays.get(version);
    const bytes = registry.artifact(version)?.bytes ?? null;
    const fate = why === undefined ? 'delete' : 'keep';
    return { version, origin, createdAtMs, fate, why: why ?? 'nothing needs it', bytes };
  });
}

function reasonsToStay(
  versions: readonly Model[],
  { keep, olderThanMs, clock }: PruneOptions,
  hasFirstDelta: boolean,
): Map<string, string> {
  const generations = [...new Set(versions.map(({ version }) => generationOf(version)))];
  const newest = new Set(generations.slice(0, keep));
  const reasons = new Map<string, string>();
  for (const { version, createdAtMs, deltaOffset } of versions) {
    if (newest.has(generationOf(version)))
      reasons.set(version, `one of the newest ${keep} generations`);
    else if (clock.nowMs() - createdAtMs < olderThanMs) reasons.set(version, 'not old enough');
    else if (hasFirstDelta && deltaOffset >= 0) {
      reasons.set(version, 'verify goes through it: the log still has its first delta');
    }
  }
  return reasons;
}

/**
 * Before versions are pruned from another machine than the one that archived them.
 * @throws InvalidSettingError where none of their artifacts is: a sweep would forget what files lie elsewhere
 */
export async function requireArtifacts(
  artifacts: ArtifactStore,
  registry: ModelRegistry,
  versions: readonly string[],
): Promise<void> {
  const places = versions.flatMap((version) => registry.artifact(version) ?? []);
  for (const { artifact } of places) {
    if (await isThere(artifacts, artifact as ArtifactName)) return;
  }
  if (places.length === 0) return;
  throw new InvalidSettingError(
    `No artifact of what would be pruned is in ${artifacts.location}; set artifacts.location to where they are kept, or write them again (models archive). Nothing was changed.`,
    { location: artifacts.location },
  );
}

/** Broken or not. */
async function isThere(artifacts: ArtifactStore, name: ArtifactName): Promise<boolean> {
  try {
    return (await artifacts.get(name)) !== undefined;
  } catch (error) {
    if (error instanceof ArtifactCorruptedError) return true;
    throw error;
  }
}

export interface SweepOptions {
  readonly broker: Broker;
  readonly follower: ModelFollower;
  readonly artifacts: ArtifactStore;
  readonly application: string;
  readonly clock: Clock;
}

/** Deletes the artifacts of pruned versions. @returns their names */
export async function sweepArtifacts(options: SweepOptions): Promise<ArtifactName[]> {
  const { broker, follower, artifacts, application, clock } = options;
  const { registry } = follower;
  if (prunedPlaces(registry).length === 0) return [];
  // In this order: a retrain moves the ref to its coreset before its version names the one before.
  const live = await neededCoresets(artifacts, application);
  await follower.catchUp();
  for (const name of namedByKept(registry)) live.add(name);
  const places = prunedPlaces(registry);
  const named = places.flatMap(({ artifact, others }) => [artifact, ...others]);
  const doomed = [...new Set(named)].filter((name) => !live.has(name)) as ArtifactName[];
  const deleted: ArtifactName[] = [];
  for (const name of doomed) if (await deleteUnlessNamed(name, options)) deleted.push(name);
  const records = new RecordBatchBuilder();
  for (const { version } of places) records.append(clock.nowMs(), artifactKey(version), null);
  const writer = await broker.openWriter();
  try {
    await writer.append([{ topic: topics.models, partition: 0, records }]);
  } finally {
    await writer.close();
  }
  return deleted;
}

/** What is broken is deleted like all else. */
async function deleteUnlessNamed(
  name: ArtifactName,
  { artifacts, follower }: SweepOptions,
): Promise<boolean> {
  const bytes = await artifacts.get(name).catch((error: unknown) => {
    if (error instanceof ArtifactCorruptedError) return undefined;
    throw error;
  });
  await artifacts.delete(name);
  await follower.catchUp();
  if (bytes === undefined || ![...namedByKept(follower.registry)].includes(name)) return true;
  await artifacts.put(bytes);
  return false;
}

function prunedPlaces(registry: ModelRegistry) {
  return registry.artifacts().filter(({ version }) => registry.isPruned(version));
}

function* namedByKept(registry: ModelRegistry): Generator<string> {
  for (const { version, artifact, others } of registry.artifacts()) {
    if (!registry.isPruned(version)) yield* [artifact, ...others];
  }
  const current = registry.current();
  const models = [...versionsToArchive(registry), ...(current === undefined ? [] : [current])];
  for (const model of models) yield* artifactsBehind(model);
}
