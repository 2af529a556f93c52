// From a topology and the topics there are to the tasks to run. Checks the topics once, at start, and makes the
// changelogs; every fault is in one error.

import type { Broker, TopicDescription } from '../broker/index.ts';
import { changelogSpec, changelogTopic, type TopicSpec } from '../schemas/index.ts';
import { InvalidTopologyError } from '../support/index.ts';
import type { SubTopology, Topology } from '../topology/index.ts';

/** One sub-topology and how it meets the topics: it is `partitions` tasks. */
export interface TaskPlan {
  readonly subTopology: SubTopology;
  readonly partitions: number;
  /** Sink name → partition count of its topic. */
  readonly sinkPartitions: ReadonlyMap<string, number>;
}

export interface PlanOptions {
  readonly topology: Topology;
  readonly broker: Broker;
  readonly applicationId: string;
  readonly replicationFactor: number;
}

/** @throws InvalidTopologyError when topics are missing or do not fit each other. */
export async function planTasks(options: PlanOptions): Promise<TaskPlan[]> {
  const { topology, broker, applicationId } = options;
  const subTopologies = topology.subTopologies();
  const found = new Map((await broker.describeTopics()).map((topic) => [topic.name, topic]));
  const faults = [
    ...missingTopics(topology, subTopologies, found),
    ...subTopologies.flatMap((piece) => unequalSources(piece, found)),
    ...subTopologies.flatMap((piece) => unfitChangelogs(piece, applicationId, found)),
  ];
  if (faults.length > 0) {
    throw new InvalidTopologyError(`The topics do not fit the topology. ${faults.join(' ')}`, {
      faults,
    });
  }
  const plans = subTopologies.map((subTopology) => planOf(subTopology, found));
  await broker.createTopics(plans.flatMap((plan) => changelogSpecs(plan, options)));
  return plans;
}

type Topics = ReadonlyMap<string, TopicDescription>;

function planOf(subTopology: SubTopology, found: Topics): TaskPlan {
  const count = (topic: string) => found.get(topic)!.partitions;
  return {
    subTopology,
    partitions: count(subTopology.sources[0]!.topic),
    sinkPartitions: new Map(subTopology.sinks.map((sink) => [sink.name, count(sink.topic)])),
  };
}

function missingTopics(
  topology: Topology,
  pieces: readonly SubTopology[],
  found: Topics,
): string[] {
  const ends = pieces.flatMap((piece) => [...piece.sources, ...piece.sinks]);
  const names = new Set([...ends, ...topology.globalStores].map((end) => end.topic));
  const missing = [...names].filter((name) => !found.has(name));
  if (missing.length === 0) return [];
  return [`There is no topic ${missing.join(', ')}; make it with \`meanstream topics apply\`.`];
}

function unequalSources({ id, sources }: SubTopology, found: Topics): string[] {
  const topics = sources.map((source) => found.get(source.topic)).filter((t) => t !== undefined);
  if (new Set(topics.map((topic) => topic.partitions)).size <= 1) return [];
  const counts = topics.map((topic) => `${topic.name} (${topic.partitions})`).join(', ');
  return [
    `The sources of "${id}" differ in partitions: ${counts}; ` +
      'make them equal with `meanstream topics apply`.',
  ];
}

function unfitChangelogs(
  { id, sources, stores }: SubTopology,
  applicationId: string,
  found: Topics,
): string[] {
  const partitions = found.get(sources[0]!.topic)?.partitions;
  return stores.flatMap((store) => {
    const changelog = found.get(changelogTopic(applicationId, store.name));
    if (changelog === undefined || changelog.partitions === partitions) return [];
    return [
      `Changelog ${changelog.name} has ${changelog.partitions} partitions where "${id}" has ${partitions} tasks; ` +
        'the partition count of a source has changed, which needs `meanstream reset`.',
    ];
  });
}

function changelogSpecs(plan: TaskPlan, options: PlanOptions): TopicSpec[] {
  const { applicationId, replicationFactor } = options;
  return plan.subTopology.stores.map(({ name }) =>
    changelogSpec(applicationId, name, { partitions: plan.partitions, replicationFactor }),
  );
}
