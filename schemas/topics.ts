// The only place that names topics.

export const topics = {
  points: 'points',
  assignments: 'assignments',
  deadLetters: 'dead-letters',
  centroidDeltas: 'centroid-deltas',
  models: 'models',
  modelCommands: 'model-commands',
  clusterEvents: 'cluster-events',
  quality: 'quality',
  drift: 'drift',
  retrains: 'retrains',
  shadowQuality: 'shadow-quality',
  samples: 'samples',
  challengers: 'challengers',
  retrainTasks: 'retrain-tasks',
  retrainPartials: 'retrain-partials',
} as const;

export type TopicName = (typeof topics)[keyof typeof topics];

/** A topic as it should be. `configs` are Kafka's own names and values. */
export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface TopicOptions {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly pointsRetentionMs: number;
}

/** A model is one record; a dead letter is its point and the reason. */
const largeRecordBytes = 16 * 1_048_576;
/** What a task gives at a time is one batch: a batch more is a wait more in its transaction. */
const assignmentBatchBytes = 4 * 1_048_576;

/** Every topic of the product except changelogs, whose names come from the topology. */
export function topicSpecs(options: TopicOptions): TopicSpec[] {
  const { partitions, replicationFactor, pointsRetentionMs } = options;
  const spec = (name: string, count: number, configs: Record<string, string>): TopicSpec => ({
    name,
    partitions: count,
    replicationFactor,
    configs,
  });
  const deleted = { 'cleanup.policy': 'delete' };
  const large = { 'max.message.bytes': String(largeRecordBytes) };
  return [
    spec(topics.points, partitions, { ...deleted, 'retention.ms': String(pointsRetentionMs) }),
    spec(topics.assignments, partitions, {
      'cleanup.policy': 'compact,delete',
      'max.message.bytes': String(assignmentBatchBytes),
    }),
    spec(topics.deadLetters, partitions, { ...deleted, ...large, 'retention.ms': '-1' }),
    spec(topics.centroidDeltas, 1, { ...deleted, ...large }),
    spec(topics.models, 1, { 'cleanup.policy': 'compact', ...large }),
    spec(topics.modelCommands, 1, { ...deleted, 'retention.ms': '-1' }),
    spec(topics.clusterEvents, 1, deleted),
    spec(topics.quality, 1, deleted),
    spec(topics.drift, 1, deleted),
    spec(topics.shadowQuality, 1, deleted),
    spec(topics.samples, 1, { ...deleted, ...large }),
    spec(topics.challengers, 1, { 'cleanup.policy': 'compact,delete' }),
    spec(topics.retrains, 1, { 'cleanup.policy': 'compact,delete' }),
    spec(topics.retrainTasks, 1, { ...deleted, ...large }),
    spec(topics.retrainPartials, 1, { ...deleted, ...large }),
  ];
}

/** A store's changelog: compacted, one partition per task. */
export function changelogTopic(applicationId: string, store: string): string {
  return `${applicationId}-${store}-changelog`;
}

/** How old a store may be that has missed changelog records: tombstones are kept this long (delete.retention.ms). */
export const changelogDeleteRetentionMs = 86_400_000;

/** As `topics apply` makes it, and a task that finds none. What the owner of the model keeps is one record, too. */
export function changelogSpec(
  applicationId: string,
  store: string,
  { partitions, replicationFactor }: Pick<TopicSpec, 'partitions' | 'replicationFactor'>,
): TopicSpec {
  const name = changelogTopic(applicationId, store);
  const configs = {
    'cleanup.policy': 'compact',
    'delete.retention.ms': String(changelogDeleteRetentionMs),
    'max.message.bytes': String(largeRecordBytes),
  };
  return { name, partitions, replicationFactor, configs };
}
