// Versions as artifacts: what stands on `models` under a name of its own (births, candidates, imports, what was replaced) lies in
// the artifact store too, as safetensors under the SHA-256 of its content. Epochs do not: each is a step from the one before.
//
// The artifact is written first, then the record on `models` that names it. Whoever is killed in between leaves a file that nobody
// names, and the next pass writes the same bytes under the same name. So it needs no leader: two who do it at once do the same.

import type { Broker } from '../broker/index.ts';
import { decodeVersion, encodeSafetensors } from '../exports/index.ts';
import {
  artifactKey,
  encodeVersionArtifact,
  type Model,
  RecordBatchBuilder,
  topics,
  type VersionArtifact,
} from '../schemas/index.ts';
import {
  type ArtifactName,
  type ArtifactStore,
  isArtifactName,
  type ModelRegistry,
} from '../state-stores/index.ts';
import { type Clock, InvalidSettingError } from '../support/index.ts';

export interface ArchiveOptions {
  readonly broker: Broker;
  /** Up to date; it sees what is written here when it reads on. */
  readonly registry: ModelRegistry;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
}

/** Archives what is not yet, the given versions in any case. @returns what was written */
export async function archiveVersions(
  { broker, registry, artifacts, clock }: ArchiveOptions,
  anew: readonly string[] = [],
): Promise<VersionArtifact[]> {
  const due = versionsToArchive(registry).filter(
    (model) => anew.includes(model.version) || !isArchived(model, registry),
  );
  if (due.length === 0) return [];
  const places: VersionArtifact[] = [];
  const writer = await broker.openWriter();
  try {
    for (const model of due) {
      const bytes = encodeSafetensors(model);
      const place: VersionArtifact = {
        ...{ version: model.version, createdAtMs: model.createdAtMs, bytes: bytes.length },
        ...{ deltaOffset: model.deltaOffset, artifact: await artifacts.put(bytes) },
        ...{ others: artifactsBehind(model), archivedAtMs: clock.nowMs() },
      };
      const records = new RecordBatchBuilder();
      const value = encodeVersionArtifact(place);
      records.append(place.archivedAtMs, artifactKey(model.version), value);
      await writer.append([{ topic: topics.models, partition: 0, records }]);
      places.push(place);
    }
  } finally {
    await writer.close();
  }
  return places;
}

/** Those with a record of their own, and the champion while it is pinned. */
export function versionsToArchive(registry: ModelRegistry): Model[] {
  const kept = registry.keptVersions().map((version) => registry.kept(version));
  const current = registry.current();
  const isPinned = current !== undefined && registry.pinned?.version === current.version;
  if (isPinned && registry.kept(current.version) === undefined) kept.push(current);
  return kept.filter((model) => model !== undefined);
}

/** A version is recorded once more when it is promoted; an artifact of before holds another text. */
export function isArchived(model: Model, registry: ModelRegistry): boolean {
  const place = registry.artifact(model.version);
  return place?.createdAtMs === model.createdAtMs && place.deltaOffset === model.deltaOffset;
}

/** What its making began with and left behind: parent and coresets, by the names that `parameters` has. */
export function artifactsBehind({ parameters = {} }: Model): ArtifactName[] {
  const { coreset, parent, summary } = parameters;
  return [coreset, parent, summary].filter((name) => name !== undefined && isArtifactName(name));
}

/** @throws ArtifactCorruptedError, InvalidSettingError when it is not there */
export async function archivedVersion(
  artifacts: ArtifactStore,
  { version, artifact }: VersionArtifact,
): Promise<Model> {
  const bytes = await artifacts.get(artifact as ArtifactName);
  if (bytes !== undefined) return decodeVersion(bytes);
  throw new InvalidSettingError(
    `Artifact ${artifact} of version ${version} is not in ${artifacts.location}; set artifacts.location to where it is kept.`,
    { artifact },
  );
}
