// Reads every artifact that versions name, whole: one flipped bit gives another SHA-256 (encrypted, another tag). A version's own is
// also compared with its record, number by number. A finding says which version, which artifact, and what to do.

import { decodeVersion } from '../exports/index.ts';
import { isArchived, newestCoreset, versionsToArchive } from '../jobs/index.ts';
import type { Model } from '../schemas/index.ts';
import type { ArtifactName, ArtifactStore, ModelRegistry } from '../state-stores/index.ts';
import { ArtifactCorruptedError, InvalidSettingError } from '../support/index.ts';
import { differences } from './differences.ts';
import type { Finding, VerifyOptions } from './verify-report.ts';

export interface ArtifactCheck {
  readonly findings: readonly Finding[];
  /** Artifacts that are not there or not what they were. */
  readonly broken: ReadonlySet<string>;
  readonly read: number;
}

interface Named {
  readonly artifact: string;
  /** "version 1.1.0: the coreset it began with" */
  readonly what: string;
  readonly remedy: string;
  /** What the artifact must say. */
  readonly model?: Model | undefined;
}

const fromCopy = 'Put it back from a copy of the artifact store.';
const coresetRemedy =
  `${fromCopy} Without one: \`meanstream retrain --history log\` begins without coresets and leaves a new one; ` +
  'what the log has forgotten is lost to it.';
const parentRemedy = `${fromCopy} Without one the version can be verified only while the log has its beginning.`;

/** @throws InvalidSettingError when not one of them is there: it is the wrong place then */
export async function checkArtifacts(
  { artifacts, application, version }: VerifyOptions,
  registry: ModelRegistry,
): Promise<ArtifactCheck> {
  const findings: Finding[] = [];
  const broken = new Set<string>();
  const read = new Set<string>();
  if (artifacts === undefined) return { findings, broken, read: 0 };
  const named = [...namedByVersions(registry, version)];
  if (version === undefined) named.push(...(await namedByRef(artifacts, application, findings)));
  for (const each of named) {
    const finding = broken.has(each.artifact) ? undefined : await faultOf(artifacts, each);
    read.add(each.artifact);
    if (finding === undefined) continue;
    broken.add(each.artifact);
    findings.push(...finding);
  }
  const missing = findings.filter(({ recomputed }) => recomputed === nothing);
  if (read.size > 0 && missing.length === read.size) {
    throw new InvalidSettingError(
      `None of the ${read.size} artifacts that ${version ?? 'the versions'} name is in ${artifacts.location}; set artifacts.location to where they are kept.`,
    );
  }
  return { findings, broken, read: read.size };
}

function* namedByVersions(registry: ModelRegistry, only: string | undefined): Generator<Named> {
  for (const model of versionsToArchive(registry)) {
    const { version, parameters = {} } = model;
    if (only !== undefined && only !== version) continue;
    const of = `version ${version}`;
    const place = registry.artifact(version);
    if (place !== undefined) {
      const remedy = `\`meanstream models archive ${version}\` writes it again from its record on models.`;
      const isNewest = isArchived(model, registry);
      yield { artifact: place.artifact, what: of, remedy, model: isNewest ? model : undefined };
    }
    const { coreset, parent, summary } = parameters;
    const behind = [
      { artifact: coreset, what: `${of}: the coreset it began with`, remedy: coresetRemedy },
      { artifact: parent, what: `${of}: the parent it began with`, remedy: parentRemedy },
      { artifact: summary, what: `${of}: the coreset it left`, remedy: coresetRemedy },
    ];
    for (const { artifact, ...rest } of behind) if (artifact) yield { artifact, ...rest };
  }
}

async function namedByRef(
  artifacts: ArtifactStore,
  application: string,
  findings: Finding[],
): Promise<Named[]> {
  const what = `the newest coreset of ${application}`;
  try {
    const artifact = await newestCoreset(artifacts, application);
    return artifact === undefined ? [] : [{ artifact, what, remedy: coresetRemedy }];
  } catch (error) {
    if (!(error instanceof ArtifactCorruptedError)) throw error;
    const where = `its ref in ${artifacts.location}`;
    const recorded = 'the name of an artifact';
    findings.push({ of: what, where, recorded, recomputed: error.message, remedy: coresetRemedy });
    return [];
  }
}

const nothing = 'nothing is there';
const changedRecord =
  'The artifact is whole, so the record on models is what has changed: look who wrote there, and roll back to a version before it.';

async function faultOf(
  artifacts: ArtifactStore,
  { artifact, what, remedy, model }: Named,
): Promise<Finding[] | undefined> {
  const found = { of: what, where: `artifact ${artifact} in ${artifacts.location}`, remedy };
  const recorded = artifact.slice('sha256/'.length);
  let bytes: Uint8Array | undefined;
  try {
    bytes = await artifacts.get(artifact as ArtifactName);
  } catch (error) {
    if (!(error instanceof ArtifactCorruptedError)) throw error;
    return [{ ...found, recorded, recomputed: `not these bytes (${error.message})` }];
  }
  if (bytes === undefined) return [{ ...found, recorded, recomputed: nothing }];
  if (model === undefined) return undefined;
  const { clusterIds: rows, dims } = model;
  const shape = { rows, dims, byFeature: ['mean', 'scale', 'featureMeans'] };
  const differ = differences(decodeVersion(bytes), model, shape);
  if (differ.length === 0) return undefined;
  return differ.map(({ where, recorded: kept, recomputed: onModels }) => ({
    ...found,
    where: `${found.where}, ${where}`,
    ...{ recorded: onModels, recomputed: `it says ${kept}` },
    remedy: changedRecord,
  }));
}
