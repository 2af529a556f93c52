// Who gets which task. Pure: members and what they had in, what they have out.
//
// 1. Each task group is shared on its own, so that a heavy one is as even as a light one: q tasks each, and one more for
//    r members, where its tasks = q · members + r. Those with the fewest tasks so far take the extra ones; among equals
//    the one that had more of the group. So totals stay within one of each other too.
// 2. A member keeps what it had, up to its share.
// 3. What is free goes first to the instance that had it last (a restarted one comes back to its state), then in order
//    to who is below its share.

import type { AssignedTask } from '../broker.ts';

export interface AssigningMember {
  readonly memberId: string;
  readonly instanceId: string;
  /** Ids of the task groups it can run. */
  readonly taskGroups: ReadonlySet<string>;
}

export interface TaskShare {
  readonly id: string;
  readonly partitions: number;
}

/** task → who had it: the member, and the instance (also of members that are gone). */
export type TaskOwners = ReadonlyMap<
  string,
  { readonly memberId: string; readonly instanceId: string }
>;

export const taskKey = ({ group, partition }: AssignedTask): string => `${group}/${partition}`;

export function assignTasks(
  groups: readonly TaskShare[],
  members: readonly AssigningMember[],
  owners: TaskOwners,
): Map<string, AssignedTask[]> {
  const assigned = new Map<string, AssignedTask[]>(members.map(({ memberId }) => [memberId, []]));
  for (const group of groups) {
    const able = members.filter(({ taskGroups }) => taskGroups.has(group.id));
    if (able.length > 0) assignGroup(group, able, owners, assigned);
  }
  return assigned;
}

function assignGroup(
  { id, partitions }: TaskShare,
  members: readonly AssigningMember[],
  owners: TaskOwners,
  assigned: Map<string, AssignedTask[]>,
): void {
  const tasks = Array.from({ length: partitions }, (_, partition) => ({ group: id, partition }));
  const room = shares(tasks, members, owners, assigned);
  const take = (task: AssignedTask, memberId: string): boolean => {
    if ((room.get(memberId) ?? 0) === 0) return false;
    room.set(memberId, room.get(memberId)! - 1);
    assigned.get(memberId)!.push(task);
    return true;
  };
  const kept = (task: AssignedTask) => {
    const owner = owners.get(taskKey(task));
    return owner !== undefined && take(task, owner.memberId);
  };
  const returned = (task: AssignedTask) => {
    const instance = owners.get(taskKey(task))?.instanceId;
    const member = members.find(({ instanceId }) => instanceId === instance);
    return member !== undefined && take(task, member.memberId);
  };
  const free = tasks.filter((task) => !kept(task)).filter((task) => !returned(task));
  for (const task of free) members.some(({ memberId }) => take(task, memberId));
}

/** How many of these tasks each member takes. */
function shares(
  tasks: readonly AssignedTask[],
  members: readonly AssigningMember[],
  owners: TaskOwners,
  assigned: ReadonlyMap<string, readonly AssignedTask[]>,
): Map<string, number> {
  const had = (member: AssigningMember): number =>
    tasks.filter((task) => {
      const owner = owners.get(taskKey(task));
      return owner?.memberId === member.memberId || owner?.instanceId === member.instanceId;
    }).length;
  const total = (member: AssigningMember): number => assigned.get(member.memberId)!.length;
  const least = Math.floor(tasks.length / members.length);
  const extra = tasks.length % members.length;
  const order = [...members].sort((a, b) => total(a) - total(b) || had(b) - had(a));
  return new Map(order.map(({ memberId }, i) => [memberId, i < extra ? least + 1 : least]));
}
