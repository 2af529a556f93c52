// What members tell the one that assigns, and what it tells them: Kafka's consumer protocol around a JSON of ours.
// It carries a version: an assigner of N reads what members of N − 1 say.

import type { AssignedTask, TaskGroup } from '../broker.ts';
import { MemberAssignment, MemberMetadata } from './kafkajs-internals.ts';

export interface MemberNews {
  readonly version: 1;
  readonly instanceId: string;
  readonly taskGroups: readonly TaskGroup[];
  readonly held: readonly AssignedTask[];
}

const protocolVersion = 1;

export function encodeNews(news: MemberNews): Buffer {
  const topics = [...new Set(news.taskGroups.flatMap((group) => group.topics))];
  return MemberMetadata.encode({ version: protocolVersion, topics, userData: asJson(news) });
}

/** Undefined for a member that is none of ours: it gets no tasks. */
export function decodeNews(bytes: Buffer): MemberNews | undefined {
  try {
    const news = JSON.parse(MemberMetadata.decode(bytes).userData.toString('utf8')) as MemberNews;
    return news.version === 1 ? news : undefined;
  } catch {
    return undefined;
  }
}

/** The topics and partitions are for other people's tools; our members read the tasks. */
export function encodeTasks(
  tasks: readonly AssignedTask[],
  groups: readonly { id: string; topics: readonly string[] }[],
): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const { group, partition } of tasks) {
    for (const topic of groups.find(({ id }) => id === group)?.topics ?? []) {
      assignment[topic] = [...(assignment[topic] ?? []), partition];
    }
  }
  return MemberAssignment.encode({
    version: protocolVersion,
    assignment,
    userData: asJson({ version: 1, tasks }),
  });
}

export function decodeTasks(bytes: Buffer): readonly AssignedTask[] {
  if (bytes.length === 0) return [];
  const userData = MemberAssignment.decode(bytes)?.userData;
  if (userData === undefined || userData.length === 0) return [];
  return (JSON.parse(userData.toString('utf8')) as { tasks: AssignedTask[] }).tasks;
}

function asJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
