// Retrained versions, each by itself: when the log has lost its beginning, no epoch can be made again, but a retrain carries all it
// was made from (range, seed, k, its parent and its coreset as artifacts), as long as the log has its range.
//
// A birth is the candidate as the owner took it up. Ids that a retrain minted may have become others then, and with a half-life in
// batches or event time weights depend on what the owner remembered: these are not compared.

import type { Broker } from '../broker/index.ts';
import { refit, storedParent } from '../jobs/index.ts';
import { FoldState, modelOf, takeUpCandidate } from '../processors/index.ts';
import { type Model, topics } from '../schemas/index.ts';
import { type ArtifactName, isArtifactName, type ModelRegistry } from '../state-stores/index.ts';
import { InvalidSettingError } from '../support/index.ts';
import { differences } from './differences.ts';
import { emptyStore } from './empty-store.ts';
import type { Finding, VerifyOptions } from './verify-report.ts';

export interface LostBeginning {
  readonly topic: string;
  readonly logStart: number;
}

/** The first topic that does not begin at its beginning any more. */
export async function lostBeginning(broker: Broker): Promise<LostBeginning | undefined> {
  for (const topic of [topics.centroidDeltas, topics.points]) {
    const lost = (await broker.listOffsets(topic)).find(({ logStart }) => logStart > 0);
    if (lost === undefined) continue;
    const name = topic === topics.points ? `${topic}-${lost.partition}` : topic;
    return { topic: name, logStart: lost.logStart };
  }
  return undefined;
}

interface Known {
  readonly lost: LostBeginning;
  /** Artifacts that cannot be read. */
  readonly broken: ReadonlySet<string>;
}

/** @throws InvalidSettingError when a version is asked for that cannot be made again */
export async function verifyAlone(
  options: VerifyOptions,
  registry: ModelRegistry,
  { lost, broken }: Known,
) {
  const { version: asked } = options;
  const findings: Finding[] = [];
  const births: string[] = [];
  const notRecomputed: { version: string; why: string }[] = [];
  const versions = asked === undefined ? registry.keptVersions() : [asked];
  for (const version of versions) {
    const made = registry.get(version)!;
    const before = await beginningOf(options, registry, made, broken, lost);
    if (typeof before === 'string') {
      notRecomputed.push({ version, why: before });
      continue;
    }
    const { broker, decoder, fit, artifacts } = options;
    const again = await refit({ made, parent: before, broker, decode: decoder(), fit, artifacts });
    const { clusterIds: rows, dims } = made;
    const shape = { rows, dims, byFeature: ['mean', 'scale', 'featureMeans'] };
    const recomputed = await asRecorded(again, made, before);
    for (const difference of differences(made, recomputed, shape)) {
      findings.push({ of: `version ${version}`, ...difference });
    }
    births.push(version);
  }
  if (asked !== undefined && births.length === 0 && !isBrokenBehind(registry.get(asked)!, broken)) {
    throw new InvalidSettingError(
      `Version ${asked} cannot be made again: ${notRecomputed[0]!.why}`,
      {
        ...lost,
      },
    );
  }
  return {
    ...{ findings, notRecomputed, birthsRecomputed: births },
    ...{ recordsCompared: births.length, versionsCompared: births.length },
    ...{ deltasRecomputed: 0, pointsReplayed: 0 },
  };
}

function isBrokenBehind({ parameters = {} }: Model, broken: ReadonlySet<string>): boolean {
  return Object.values(parameters).some((value) => broken.has(value));
}

/** The parent; or why the version cannot be made again. */
async function beginningOf(
  { broker, artifacts }: VerifyOptions,
  registry: ModelRegistry,
  { origin, parent, parameters = {}, offsets }: Model,
  broken: ReadonlySet<string>,
  { topic, logStart }: LostBeginning,
): Promise<Model | string> {
  if (origin !== 'retrain') {
    return (
      `${topic} begins at offset ${logStart}, and only a retrained version has what it was made from beside the log. ` +
      'Keep points and deltas longer with topics.points.retention.ms and topics.derived.retention.ms.'
    );
  }
  const starts = new Map(
    (await broker.listOffsets(topics.points)).map((each) => [each.partition, each.logStart]),
  );
  const gone = Object.entries(offsets).find(
    ([partition, { from, to }]) => to > from && (starts.get(Number(partition)) ?? 0) > from,
  );
  if (gone !== undefined) {
    const [partition, { from }] = gone;
    return `its range begins at offset ${from} of ${topics.points}-${partition}, which begins at ${starts.get(Number(partition))} now; topics.points.retention.ms says how long points are kept.`;
  }
  const unreadable = [parameters.coreset, parameters.parent].find((name) => broken.has(name ?? ''));
  if (unreadable !== undefined) return `its artifact ${unreadable} cannot be read.`;
  const stored = parameters.parent ?? '';
  const kept =
    artifacts !== undefined && isArtifactName(stored)
      ? await storedParent(artifacts, stored as ArtifactName)
      : registry.get(parent ?? '');
  return kept ?? `its parent ${parent} is neither on ${topics.models} nor kept as an artifact.`;
}

const ofHistory = ['weights', 'sumSquares', 'distanceHistogram', 'quality', 'landmarkMs'];

async function asRecorded(candidate: Model, made: Model, parent: Model): Promise<Partial<Model>> {
  if (made.deltaOffset < 0) return candidate;
  const clusterIds = candidate.clusterIds.map((id, j) =>
    Number(id.slice(1)) < parent.nextClusterNumber ? id : made.clusterIds[j]!,
  );
  const state = await FoldState.load(emptyStore, made.halfLife);
  state.deltaOffset = made.deltaOffset;
  takeUpCandidate(state, { ...candidate, clusterIds, nextClusterNumber: made.nextClusterNumber });
  const born = modelOf(state, made.codeVersion, made.createdAtMs);
  if (made.halfLife.unit === 'points') return born;
  return Object.fromEntries(Object.entries(born).filter(([field]) => !ofHistory.includes(field)));
}
