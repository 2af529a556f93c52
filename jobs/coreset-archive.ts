// Coresets as artifacts: what each retrain makes of all it has seen, kept when the log has forgotten it. The ref names the newest.
// Beside them, the parent that each retrain began with: an epoch, which the log soon has no more.

import type { Coreset, Metric, OffsetRange } from '../clustering/index.ts';
import {
  bytesOf,
  decodeColumnMessage,
  decodeModel,
  encodeColumnMessage,
  encodeModel,
  generationOf,
  type Model,
} from '../schemas/index.ts';
import {
  type ArtifactName,
  type ArtifactStore,
  artifactName,
  type ModelRegistry,
} from '../state-stores/index.ts';

/** The generation of models beside which a coreset was made. */
export interface Lineage {
  readonly generation: string;
  /** SHA-256 of what its sums are about, the same in all its versions: another log gives another, under the same name. */
  readonly reference: string;
}

export interface StoredCoreset {
  readonly coreset: Coreset;
  readonly metric: Metric;
  readonly features: readonly string[];
  /** Undefined in what a release before lineages has stored. */
  readonly lineage: Lineage | undefined;
  /** The coreset it goes on from: a job that began with that one may not have published its version yet. */
  readonly base?: string | undefined;
  /** Its name in the store. */
  readonly artifact: string;
}

const attemptsMax = 5;

interface ParentRecord {
  readonly type: 'parent';
  /** As on `models`. */
  readonly model: Uint8Array;
}

interface CoresetRecord extends Omit<StoredCoreset, 'artifact'> {
  readonly type: 'coreset';
}

/** Of one application: others may keep theirs in the same place. */
function refOf(application: string): string {
  return `coresets/${application.toLowerCase()}`;
}

/** The newest one. */
export async function readCoreset(
  artifacts: ArtifactStore,
  application: string,
): Promise<StoredCoreset | undefined> {
  const newest = await newestCoreset(artifacts, application);
  return newest && storedCoreset(artifacts, newest);
}

/** The name of the newest one, unread. @throws ArtifactCorruptedError for a ref that names none */
export async function newestCoreset(
  artifacts: ArtifactStore,
  application: string,
): Promise<ArtifactName | undefined> {
  return (await artifacts.readRef(refOf(application)))?.artifact;
}

/**
 * What the next retrain begins with, and what the newest goes on from: a job under way began with one of the two.
 * @throws ArtifactCorruptedError when the newest cannot be read: then nobody knows
 */
export async function neededCoresets(
  artifacts: ArtifactStore,
  application: string,
): Promise<Set<string>> {
  const newest = await readCoreset(artifacts, application);
  const { artifact, base } = newest ?? {};
  return new Set([artifact, base].filter((name) => name !== undefined));
}

/** One by its name. */
export async function storedCoreset(
  artifacts: ArtifactStore,
  artifact: ArtifactName,
): Promise<StoredCoreset | undefined> {
  const bytes = await artifacts.get(artifact);
  if (bytes === undefined) return undefined;
  const { type: _, ...stored } = decodeColumnMessage<CoresetRecord>(bytes);
  return { ...stored, artifact };
}

/** Becomes the newest. @returns its name in the store */
export async function keepCoreset(
  artifacts: ArtifactStore,
  application: string,
  stored: Omit<StoredCoreset, 'artifact'>,
): Promise<string> {
  const record: CoresetRecord = { type: 'coreset', ...stored };
  const artifact = await artifacts.put(encodeColumnMessage(record));
  const ref = refOf(application);
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const newest = await artifacts.readRef(ref);
    if ((await artifacts.swapRef(ref, artifact, newest?.tag)) !== undefined) break;
  }
  return artifact;
}

/**
 * The model that a retrain replaces, as it was when it began: with range, seed and coreset, all that its version can be made again
 * from. Retrains of one parent have one between them. @returns its name in the store
 */
export function keepParent(artifacts: ArtifactStore, parent: Model): Promise<ArtifactName> {
  const record: ParentRecord = { type: 'parent', model: encodeModel(parent) };
  return artifacts.put(encodeColumnMessage(record));
}

/** @throws ArtifactCorruptedError; undefined when it is not there */
export async function storedParent(
  artifacts: ArtifactStore,
  artifact: ArtifactName,
): Promise<Model | undefined> {
  const bytes = await artifacts.get(artifact);
  return bytes && decodeModel(decodeColumnMessage<ParentRecord>(bytes).model);
}

/** The next retrain begins with none; the artifacts stay for those who verify what was made from them. */
export function forgetCoresets(artifacts: ArtifactStore, application: string): Promise<void> {
  return artifacts.deleteRef(refOf(application));
}

export function lineageOf({ version, reference }: Model): Lineage {
  return { generation: generationOf(version), reference: artifactName(bytesOf(reference)) };
}

/** Why a coreset is not used beside these models; undefined when its generation is one of their own, not only of its name. */
export function whyForeign(
  lineage: Lineage | undefined,
  registry: ModelRegistry,
): string | undefined {
  if (lineage === undefined) return 'it does not say beside which models it was made';
  const { generation, reference } = lineage;
  const current = registry.current();
  const same = current !== undefined && generationOf(current.version) === generation;
  const model = same ? current : registry.get(`${generation}.0`);
  const isOurs = model !== undefined && lineageOf(model).reference === reference;
  return isOurs ? undefined : 'it was made beside models that are not these';
}

/** The ranges of both, sorted, neighbours made one. */
export function joinedRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const joined: OffsetRange[] = [];
  const sorted = ranges
    .filter(({ from, to }) => to > from)
    .toSorted((a, b) => a.partition - b.partition || a.from - b.from);
  for (const { partition, from, to } of sorted) {
    const last = joined.at(-1);
    if (last?.partition === partition && last.to >= from) {
      joined[joined.length - 1] = { partition, from: last.from, to: Math.max(last.to, to) };
    } else joined.push({ partition, from, to });
  }
  return joined;
}
