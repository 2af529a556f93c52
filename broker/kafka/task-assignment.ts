// Who gets which task. Pure, so that every rule can be read and tested without a group:
//   1. a task is one partition number of all topics of a task group; it goes to one member that has those topics
//   2. every group is shared evenly by itself (counts differ by at most one), then the totals are kept even
//   3. within that, a task stays with its last owner: the member that holds it, or the instance that last did
//
// Groups with more tasks are dealt first. Members that may take one more than others are those with fewest tasks so far,
// then those that held more of this group.

import type { AssignedTask, TaskGroup } from '../broker.ts';

export interface AssignableMember {
  readonly memberId: string;
  readonly instanceId: string;
  readonly groups: readonly string[];
  /** What the member ran until now. */
  readonly held: readonly AssignedTask[];
}

/** What a group has: as many tasks as its largest topic has partitions. */
export interface CountedGroup extends TaskGroup {
  readonly tasks: number;
}

/** Tasks by instance, of an assignment made before: a returning instance gets its own again. */
export type FormerOwners = ReadonlyMap<string, readonly AssignedTask[]>;

export function assignTasks(
  members: readonly AssignableMember[],
  groups: readonly CountedGroup[],
  former: FormerOwners,
): Map<string, AssignedTask[]> {
  const ordered = [...members].sort(byInstance);
  const given = new Map<string, AssignedTask[]>(ordered.map(({ memberId }) => [memberId, []]));
  const largestFirst = [...groups].sort((a, b) => b.tasks - a.tasks || (a.id < b.id ? -1 : 1));
  for (const group of largestFirst) {
    const able = ordered.filter((member) => member.groups.includes(group.id));
    if (able.length > 0) dealGroup(group, able, owners(group, able, former), given);
  }
  return given;
}

function dealGroup(
  group: CountedGroup,
  able: readonly AssignableMember[],
  owned: ReadonlyMap<string, readonly number[]>,
  given: Map<string, AssignedTask[]>,
): void {
  const heldBy = (member: AssignableMember) => owned.get(member.memberId) ?? [];
  const total = (member: AssignableMember) => given.get(member.memberId)!.length;
  const ranked = [...able].sort(
    (a, b) => total(a) - total(b) || heldBy(b).length - heldBy(a).length || byInstance(a, b),
  );
  const share = Math.floor(group.tasks / able.length);
  const oneMore = group.tasks % able.length;
  const quota = new Map(
    ranked.map(({ memberId }, rank) => [memberId, share + (rank < oneMore ? 1 : 0)]),
  );
  const free = new Set(Array.from({ length: group.tasks }, (_, partition) => partition));
  const give = (member: AssignableMember, partition: number) => {
    given.get(member.memberId)!.push({ group: group.id, partition });
    quota.set(member.memberId, quota.get(member.memberId)! - 1);
    free.delete(partition);
  };
  for (const member of ranked) {
    for (const partition of heldBy(member).slice(0, quota.get(member.memberId))) {
      give(member, partition);
    }
  }
  for (const member of ranked) {
    for (const partition of [...free].slice(0, quota.get(member.memberId))) give(member, partition);
  }
}

/** The partitions each member has a claim on, each partition claimed by one. */
function owners(
  group: CountedGroup,
  able: readonly AssignableMember[],
  former: FormerOwners,
): Map<string, number[]> {
  const claimed = new Set<number>();
  const owned = new Map<string, number[]>(able.map(({ memberId }) => [memberId, []]));
  const claim = (member: AssignableMember, tasks: readonly AssignedTask[]) => {
    for (const { group: id, partition } of tasks) {
      if (id !== group.id || partition >= group.tasks || claimed.has(partition)) continue;
      claimed.add(partition);
      owned.get(member.memberId)!.push(partition);
    }
  };
  for (const member of able) claim(member, member.held);
  for (const member of able) claim(member, former.get(member.instanceId) ?? []);
  for (const partitions of owned.values()) partitions.sort((a, b) => a - b);
  return owned;
}

function byInstance(a: AssignableMember, b: AssignableMember): number {
  if (a.instanceId !== b.instanceId) return a.instanceId < b.instanceId ? -1 : 1;
  return a.memberId < b.memberId ? -1 : 1;
}
