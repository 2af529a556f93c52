// What members tell the one that assigns, and what it tells them: Kafka's consumer protocol around a JSON of ours.
//
// In a rolling upgrade old and new members meet. `version` is the oldest release that understands the message: fields
// are only added under it, readers leave out what they do not know. `release` is the one that wrote it: 2 knows replicas.

import { type MemberTasks, taskKey } from '../assign-tasks.ts';
import type { AssignedReplica, AssignedTask, HeldTask, TaskGroup } from '../broker.ts';
import { MemberAssignment, MemberMetadata } from './kafkajs-internals.ts';

export interface MemberNews {
  readonly instanceId: string;
  readonly processId: string;
  readonly taskGroups: readonly TaskGroup[];
  readonly held: readonly HeldTask[];
  readonly takesReplicas: boolean;
}

/** On the wire: `held` are the tasks that it owns, `stores` how far the stores are that it has. */
interface NewsMessage {
  readonly version: number;
  readonly release?: number;
  readonly instanceId: string;
  readonly processId?: string;
  readonly taskGroups: readonly TaskGroup[];
  readonly held: readonly AssignedTask[];
  readonly stores?: readonly (AssignedTask & { readonly offset: number })[];
}

const messageVersion = 1;
const release = 2;
const protocolVersion = 1;

export function encodeNews({ instanceId, processId, taskGroups, held }: MemberNews): Buffer {
  const topics = [...new Set(taskGroups.flatMap((group) => group.topics))];
  const message: NewsMessage = {
    ...{ version: messageVersion, release, instanceId, processId, taskGroups },
    held: held.filter(({ active }) => active).map(({ group, partition }) => ({ group, partition })),
    stores: held.flatMap(({ group, partition, offset }) =>
      offset === 'end' ? [] : [{ group, partition, offset }],
    ),
  };
  return MemberMetadata.encode({ version: protocolVersion, topics, userData: asJson(message) });
}

/** Undefined for a member that is none of ours, or too new to be understood: it gets no tasks. */
export function decodeNews(bytes: Buffer): MemberNews | undefined {
  try {
    const news = JSON.parse(MemberMetadata.decode(bytes).userData.toString('utf8')) as NewsMessage;
    if (news.version !== messageVersion) return undefined;
    const { instanceId, processId = instanceId, taskGroups } = news;
    const takesReplicas = (news.release ?? 1) >= 2;
    return { instanceId, processId, taskGroups, takesReplicas, held: heldOf(news) };
  } catch {
    return undefined;
  }
}

/** An owned task without a store offset runs. */
function heldOf({ held, stores = [] }: NewsMessage): HeldTask[] {
  const offsets = new Map(stores.map((store) => [taskKey(store), store.offset]));
  const owned = new Set(held.map(taskKey));
  return [
    ...held.map(({ group, partition }) => ({
      ...{ group, partition, active: true },
      offset: offsets.get(taskKey({ group, partition })) ?? ('end' as const),
    })),
    ...stores
      .filter((store) => !owned.has(taskKey(store)))
      .map(({ group, partition, offset }) => ({ group, partition, active: false, offset })),
  ];
}

/** The topics and partitions are for other people's tools; our members read the tasks. */
export function encodeTasks(
  { tasks, replicas }: MemberTasks,
  groups: readonly TaskGroup[],
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
    userData: asJson({ version: messageVersion, tasks, replicas }),
  });
}

export function decodeTasks(bytes: Buffer): MemberTasks {
  const userData = bytes.length === 0 ? undefined : MemberAssignment.decode(bytes)?.userData;
  if (userData === undefined || userData.length === 0) return { tasks: [], replicas: [] };
  const { tasks, replicas = [] } = JSON.parse(userData.toString('utf8')) as {
    readonly tasks: readonly AssignedTask[];
    readonly replicas?: readonly AssignedReplica[];
  };
  return { tasks, replicas };
}

function asJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}
