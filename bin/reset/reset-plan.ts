// What `meanstream reset` deletes and what it leaves, looked at before anything is touched. What was learned goes as a
// whole, because a part of it would mislead the rest:
//
//   changelogs, local state   hold the centroids, and up to which offset they have taken in their input
//   centroid-deltas           would be folded once more, beside those of the same points read again
//   models                    a first model is made from points only where there is none
//   model-commands, retrains  promote versions that would be gone, for which the fold would wait for ever
//   the newest coreset       would stand for points of another log, once offsets have grown past its own
//   cluster-events, quality, drift   speak of versions and clusters whose names are given anew
//
// Positions of `produce` are kept as points are: a file that is half in goes on where it was.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Broker, CommittedOffset, TopicDescription } from '../../broker/index.ts';
import { coordinatorId, readCoreset } from '../../jobs/index.ts';
import { type TopicName, type TopicSpec, topics } from '../../schemas/index.ts';
import type { SubTopology } from '../../topology/index.ts';
import type { CommandContext } from '../command-context.ts';
import { usageError } from '../exit-codes.ts';
import { openArtifacts } from '../open-artifacts.ts';
import { pipelineOf } from '../pipeline.ts';
import { productTopics } from '../product-topics.ts';
import { thousands } from '../terminal.ts';

/** One line of what is shown. */
export interface ResetRow {
  readonly what: string;
  readonly holds: string;
  readonly fate: 'delete' | 'keep' | 'absent';
  readonly note: string;
}

export interface ResetPlan {
  readonly group: string;
  readonly hasOffsets: boolean;
  /** To delete, as they are made again. */
  readonly topics: readonly TopicSpec[];
  readonly folders: readonly string[];
  readonly hasCoreset: boolean;
  /** Of the tasks and of who runs retrains: whoever still writes with one is fenced. */
  readonly transactionalIds: readonly string[];
  readonly rows: readonly ResetRow[];
}

type Kind = 'input' | 'output' | 'learned';
type Found = ReadonlyMap<string, TopicDescription>;

const kinds: Readonly<Record<TopicName, Kind>> = {
  [topics.points]: 'input',
  [topics.assignments]: 'output',
  [topics.deadLetters]: 'output',
  [topics.centroidDeltas]: 'learned',
  [topics.models]: 'learned',
  [topics.modelCommands]: 'learned',
  [topics.clusterEvents]: 'learned',
  [topics.quality]: 'learned',
  [topics.drift]: 'learned',
  [topics.retrains]: 'learned',
  [topics.samples]: 'learned',
  [topics.challengers]: 'learned',
  [topics.shadowQuality]: 'learned',
  [topics.retrainTasks]: 'learned',
  [topics.retrainPartials]: 'learned',
};

export async function planReset(
  context: CommandContext,
  broker: Broker,
  withOutputs: boolean,
): Promise<ResetPlan> {
  const { settings } = context;
  const group = settings['application.id'];
  const pieces = pipelineOf(settings).subTopologies();
  const found = new Map((await broker.describeTopics()).map((topic) => [topic.name, topic]));
  const committed = await committedBy(group, pieces, found, broker);
  const present = wantedTopics(context, found).filter(({ name }) => found.has(name));
  const isDeleted = ({ name }: TopicSpec) =>
    kindOf(name) === 'learned' || (withOutputs && kindOf(name) === 'output');
  const deleted = present.filter(isDeleted);
  const folders = foldersOf(context, withOutputs);
  const coreset = await coresetRow(context);
  const rows = [
    await offsetsRow(context, committed, found, broker),
    ...(await Promise.all(deleted.map((spec) => topicRow(spec.name, 'delete', broker)))),
    ...folders.map((folder) => folderRow(folder, broker)),
    coreset,
    ...(await Promise.all(
      present.filter((spec) => !isDeleted(spec)).map((spec) => topicRow(spec.name, 'keep', broker)),
    )),
  ];
  return {
    group,
    hasOffsets: committed.length > 0,
    topics: deleted.map((spec) => asItWas(spec, found.get(spec.name)!)),
    folders: folders.filter((folder) => existsSync(folder)),
    hasCoreset: coreset.fate === 'delete',
    transactionalIds: [...transactionalIdsOf(group, pieces, found), coordinatorId(group)],
    rows,
  };
}

function kindOf(topic: string): Kind {
  return (kinds as Readonly<Record<string, Kind>>)[topic] ?? 'learned';
}

/** With the partitions that points really has: changelogs follow them, and may be too few by now. */
function wantedTopics({ settings }: CommandContext, found: Found): TopicSpec[] {
  const partitions = found.get(topics.points)?.partitions ?? settings['topics.partitions'];
  return productTopics({ ...settings, 'topics.partitions': partitions }, pipelineOf(settings));
}

/** This command may be given other settings than `topics apply` was: replicas and values stay what they were. */
function asItWas(spec: TopicSpec, { replicationFactor, configs }: TopicDescription): TopicSpec {
  const kept = Object.entries(spec.configs).map(([name, value]) => [name, configs[name] ?? value]);
  return { ...spec, replicationFactor, configs: Object.fromEntries(kept) };
}

function committedBy(
  group: string,
  pieces: readonly SubTopology[],
  found: Found,
  broker: Broker,
): Promise<CommittedOffset[]> {
  const sources = pieces.flatMap((piece) => piece.sources.map(({ topic }) => topic));
  const asked = [...new Set(sources)].flatMap((topic) => {
    const partitions = found.get(topic)?.partitions ?? 0;
    return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  });
  return broker.committedOffsets(group, asked);
}

function transactionalIdsOf(
  group: string,
  pieces: readonly SubTopology[],
  found: Found,
): readonly string[] {
  return pieces.flatMap(({ id, sources }) => {
    const tasks = Math.max(...sources.map(({ topic }) => found.get(topic)?.partitions ?? 0));
    return Array.from({ length: tasks }, (_, partition) => `${group}-${id}_${partition}`);
  });
}

/** @throws MeanstreamError MEANSTREAM_USAGE for an application id that no runtime takes, such as "..". */
function foldersOf({ settings }: CommandContext, withOutputs: boolean): string[] {
  const application = settings['application.id'];
  if (application.startsWith('.')) {
    throw usageError(`application.id "${application}" begins with a dot and names no application.`);
  }
  const names = withOutputs ? [application, 'gateway'] : [application];
  return names.map((name) => resolve(join(settings['state.dir'], name)));
}

async function offsetsRow(
  { settings }: CommandContext,
  committed: readonly CommittedOffset[],
  found: Found,
  broker: Broker,
): Promise<ResetRow> {
  const what = `offsets of group ${settings['application.id']}`;
  if (committed.length === 0) return { what, holds: '', fate: 'absent', note: 'none committed' };
  const ends = found.has(topics.points) ? await broker.listOffsets(topics.points) : [];
  const starts = new Map(ends.map(({ partition, logStart }) => [partition, logStart]));
  const read = committed
    .filter(({ topic }) => topic === topics.points)
    .reduce((sum, { partition, offset }) => sum + offset - (starts.get(partition) ?? 0), 0);
  const note =
    settings['auto.offset.reset'] === 'earliest'
      ? 'all points that are kept are read again'
      : 'auto.offset.reset is latest: old points are NOT read again';
  return { what, holds: `${thousands(Math.max(0, read))} points read`, fate: 'delete', note };
}

async function coresetRow(context: CommandContext): Promise<ResetRow> {
  const artifacts = await openArtifacts(context);
  try {
    const what = `the newest coreset in ${artifacts.location}`;
    const stored = await readCoreset(artifacts, context.settings['application.id']).catch(
      () => 'unreadable' as const,
    );
    if (stored === undefined) return { what, holds: '', fate: 'absent', note: '' };
    const holds = stored === 'unreadable' ? stored : `${thousands(stored.coreset.points)} points`;
    return { what, holds, fate: 'delete', note: 'what the log has forgotten of them is lost' };
  } finally {
    await artifacts.close();
  }
}

async function topicRow(topic: string, fate: 'delete' | 'keep', broker: Broker): Promise<ResetRow> {
  const bounds = await broker.listOffsets(topic);
  const offsets = bounds.reduce((sum, { logStart, end }) => sum + end - logStart, 0);
  const holds = `${thousands(offsets)} offsets`;
  const isOutput = kindOf(topic) === 'output';
  const kept = isOutput ? 'what is read again is written to it again (--outputs deletes it)' : '';
  return { what: topic, holds, fate, note: fate === 'delete' ? 'made again, empty' : kept };
}

function folderRow(folder: string, { kind }: Broker): ResetRow {
  const elsewhere = kind === 'kafka' ? 'here; remove it on other machines yourself' : '';
  return existsSync(folder)
    ? { what: folder, holds: 'local state', fate: 'delete', note: elsewhere }
    : {
        what: folder,
        holds: '',
        fate: 'absent',
        note: elsewhere && 'not here; see other machines',
      };
}
