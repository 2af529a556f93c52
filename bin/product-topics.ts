// Every topic a deployment needs: the product's own and the changelogs that follow from the topology.

import type { SettingValues } from '../config/index.ts';
import { changelogSpec, type TopicSpec, topicSpecs } from '../schemas/index.ts';
import type { Topology } from '../topology/index.ts';

export function productTopics(settings: SettingValues, topology: Topology): TopicSpec[] {
  const replicationFactor = settings['replication.factor'];
  const specs = topicSpecs({
    partitions: settings['topics.partitions'],
    replicationFactor,
    pointsRetentionMs: settings['topics.points.retention.ms'],
  }).map((spec) => withRetention(spec, settings));
  const partitionsOf = new Map(specs.map((spec) => [spec.name, spec.partitions]));
  const changelogs = topology.subTopologies().flatMap((piece) => {
    const partitions = Math.max(...piece.sources.map(({ topic }) => partitionsOf.get(topic) ?? 1));
    return piece.stores.map(({ name }) =>
      changelogSpec(settings['application.id'], name, { partitions, replicationFactor }),
    );
  });
  return [...specs, ...changelogs];
}

/** Topics that delete: those that do not say when hold what is made from points; none may outgrow its disk. */
function withRetention(spec: TopicSpec, settings: SettingValues): TopicSpec {
  const deletes = spec.configs['cleanup.policy']?.includes('delete') ?? false;
  if (!deletes || spec.configs['retention.ms'] === '-1') return spec;
  const bytes = settings['topics.retention.bytes'];
  const configs = {
    ...spec.configs,
    'retention.ms': spec.configs['retention.ms'] ?? String(settings['topics.derived.retention.ms']),
    ...(bytes >= 0 && { 'retention.bytes': String(bytes) }),
  };
  return { ...spec, configs };
}
