// Topics: made, described, deleted, and where their partitions begin and end.

import type { TopicSpec } from '../../schemas/index.ts';
import { FatalError, RetriableError } from '../../support/index.ts';
import type { PartitionOffsets, TopicDescription } from '../broker.ts';
import type { Connections } from './connections.ts';
import { check, isForbidden, isRefusal, KafkaRefusal, leaderMoved } from './kafka-errors.ts';
import { errorName, type TopicMetadata } from './kafkajs-internals.ts';
import { retrying } from './retry.ts';

const topicResource = 2;
const readCommitted = 1;
const earliest = -2;
const latest = -1;
const changeMsMax = 15_000;
const askMsMax = 10_000;

export async function describeTopics(
  connections: Connections,
  names: readonly string[] | undefined,
): Promise<TopicDescription[]> {
  if (names?.length === 0) return [];
  const metadata = await connections.topicMetadata(names ?? []);
  const existing = metadata.filter(
    ({ topicErrorCode, isInternal }) =>
      errorName(topicErrorCode) !== 'UNKNOWN_TOPIC_OR_PARTITION' &&
      (names !== undefined || !isInternal),
  );
  for (const { topic, topicErrorCode } of existing) {
    if (errorName(topicErrorCode) !== 'LEADER_NOT_AVAILABLE') refuse(topic, topicErrorCode);
  }
  const configs = await topicConfigs(
    connections,
    existing.map(({ topic }) => topic),
  );
  return existing
    .map((topic) => description(topic, configs.get(topic.topic) ?? {}))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Makes those that are missing, and waits until each of their partitions has a leader. */
export async function createTopics(
  connections: Connections,
  specs: readonly TopicSpec[],
): Promise<void> {
  if (specs.length === 0) return;
  const node = await connections.controller();
  const answer = await node.call('CreateTopics', {
    topics: specs.map(({ name, partitions, replicationFactor, configs }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor,
      configEntries: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    })),
    timeout: changeMsMax,
  });
  for (const { topic, errorCode, errorMessage } of answer.topicErrors) {
    if (errorName(errorCode) !== 'TOPIC_ALREADY_EXISTS') refuse(topic, errorCode, errorMessage);
  }
  await until(connections, 'the new topics have leaders', async () => {
    const topics = await connections.topicMetadata(specs.map(({ name }) => name));
    return topics.every(
      ({ topicErrorCode, partitionMetadata }) =>
        topicErrorCode === 0 && partitionMetadata.every(({ leader }) => leader >= 0),
    );
  });
}

/** Waits until they are gone. Those that do not exist are no fault. */
export async function deleteTopics(
  connections: Connections,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  const node = await connections.controller();
  const answer = await node.call('DeleteTopics', { topics: [...names], timeout: changeMsMax });
  for (const { topic, errorCode } of answer.topicErrors) {
    if (errorName(errorCode) !== 'UNKNOWN_TOPIC_OR_PARTITION') refuse(topic, errorCode);
    connections.forgetLeaders(topic);
  }
  await until(connections, 'the topics are gone', async () => {
    const topics = await connections.topicMetadata(names);
    return topics.every(({ topicErrorCode }) => topicErrorCode !== 0);
  });
}

export async function partitionCount(connections: Connections, topic: string): Promise<number> {
  const [metadata] = await connections.topicMetadata([topic]);
  return metadata?.topicErrorCode === 0 ? metadata.partitionMetadata.length : 0;
}

export async function listOffsets(
  connections: Connections,
  topic: string,
): Promise<PartitionOffsets[]> {
  const { clock } = connections;
  const deadlineMs = clock.monotonicMs() + askMsMax;
  const again = (error: unknown) => {
    connections.forgetLeaders(topic);
    if (error instanceof KafkaRefusal) return isRefusal(error, leaderMoved) && !isMissing(error);
    return !connections.closed;
  };
  try {
    return await retrying({ clock, deadlineMs, again }, () => askOffsets(connections, topic));
  } catch (cause) {
    if (isForbidden(cause)) {
      throw new FatalError(`Topic ${topic} may not be read; grant Describe.`, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RetriableError(`The offsets of topic ${topic} are not to be had: ${reason}.`, {
      cause,
    });
  }
}

async function askOffsets(connections: Connections, topic: string): Promise<PartitionOffsets[]> {
  const [metadata] = await connections.topicMetadata([topic]);
  check(`Metadata of ${topic}`, metadata?.topicErrorCode ?? 0);
  const byLeader = new Map<number, number[]>();
  for (const { partitionId, leader } of metadata?.partitionMetadata ?? []) {
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), partitionId]);
  }
  const found = await Promise.all(
    [...byLeader].map(async ([leader, partitions]) => {
      if (leader < 0) check(`ListOffsets of ${topic}`, 5);
      const [starts, ends] = await Promise.all([
        askEdge(connections, topic, leader, partitions, earliest),
        askEdge(connections, topic, leader, partitions, latest),
      ]);
      return partitions.map((partition) => ({
        partition,
        logStart: starts.get(partition)!,
        end: ends.get(partition)!,
      }));
    }),
  );
  return found.flat().sort((a, b) => a.partition - b.partition);
}

async function askEdge(
  connections: Connections,
  topic: string,
  leader: number,
  partitions: readonly number[],
  timestamp: number,
): Promise<Map<number, number>> {
  const node = await connections.node(leader, 'requests');
  const answer = await node.call('ListOffsets', {
    isolationLevel: readCommitted,
    topics: [{ topic, partitions: partitions.map((partition) => ({ partition, timestamp })) }],
  });
  const found = new Map<number, number>();
  for (const { partition, errorCode, offset } of answer.responses.flatMap(
    (one) => one.partitions,
  )) {
    check(`ListOffsets of ${topic}-${partition}`, errorCode);
    found.set(partition, Number(offset));
  }
  return found;
}

async function topicConfigs(
  connections: Connections,
  names: readonly string[],
): Promise<Map<string, Record<string, string>>> {
  const found = new Map<string, Record<string, string>>();
  if (names.length === 0) return found;
  const node = await connections.controller();
  const resources = names.map((name) => ({ type: topicResource, name }));
  const answer = await node.call('DescribeConfigs', { resources, includeSynonyms: false });
  for (const { resourceName, errorCode, configEntries } of answer.resources) {
    if (errorCode !== 0) continue;
    const entries = configEntries.flatMap(({ configName, configValue }) =>
      configValue === null ? [] : [[configName, configValue] as const],
    );
    found.set(resourceName, Object.fromEntries(entries));
  }
  return found;
}

function description(
  { topic, partitionMetadata }: TopicMetadata,
  configs: Readonly<Record<string, string>>,
): TopicDescription {
  const replicationFactor = partitionMetadata[0]?.replicas.length ?? 0;
  return { name: topic, partitions: partitionMetadata.length, replicationFactor, configs };
}

function refuse(topic: string, errorCode: number, detail?: string): void {
  if (errorCode === 0) return;
  const reason = `${errorName(errorCode)}${detail === undefined ? '' : `: ${detail}`}`;
  throw new FatalError(`Kafka refused what was asked of topic ${topic} (${reason}).`, {
    topic,
    reason: errorName(errorCode),
  });
}

function isMissing(error: KafkaRefusal): boolean {
  return error.type === 'UNKNOWN_TOPIC_OR_PARTITION';
}

async function until(
  { clock, logger }: Connections,
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + changeMsMax;
  while (!(await holds())) {
    if (clock.monotonicMs() > deadlineMs) {
      logger.warn({ waitedMs: changeMsMax }, `Kafka does not say yet that ${what}.`);
      return;
    }
    await clock.sleep(20);
  }
}
