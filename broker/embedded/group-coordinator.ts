// Consumer groups inside one process: members come and go, every change deals the tasks anew and tells everybody.

import { assert, nextTurn } from '../../support/index.ts';
import type { AssignedTask, GroupMember, JoinOptions } from '../broker.ts';
import { assignTasks, type TaskShare, taskKey } from './task-assignment.ts';

interface Member {
  readonly memberId: string;
  readonly instanceId: string;
  readonly taskGroups: ReadonlySet<string>;
  readonly onAssignment: JoinOptions['onAssignment'];
}

interface Group {
  readonly members: Map<string, Member>;
  /** Of all task groups any member has named. */
  readonly shares: Map<string, TaskShare>;
  owners: Map<string, { memberId: string; instanceId: string }>;
  assigned: Map<string, AssignedTask[]>;
}

export class GroupCoordinator {
  readonly #partitionsOf: (topic: string) => number;
  readonly #groups = new Map<string, Group>();
  #joined = 0;

  constructor(partitionsOf: (topic: string) => number) {
    this.#partitionsOf = partitionsOf;
  }

  join(options: JoinOptions): GroupMember {
    const shares = options.taskGroups.map(({ id, topics }) => ({
      id,
      partitions: Math.max(...topics.map(this.#partitionsOf)),
    }));
    this.#joined += 1;
    const memberId = `${options.instanceId}-${this.#joined}`;
    const group = this.#group(options.group);
    for (const share of shares) group.shares.set(share.id, share);
    const taskGroups = new Set(shares.map(({ id }) => id));
    const { instanceId, onAssignment } = options;
    group.members.set(memberId, { memberId, instanceId, taskGroups, onAssignment });
    this.#deal(group);
    return { memberId, leave: async () => this.#leave(group, memberId) };
  }

  memberCount(group: string): number {
    return this.#groups.get(group)?.members.size ?? 0;
  }

  close(): void {
    for (const group of this.#groups.values()) {
      for (const memberId of [...group.members.keys()]) this.#leave(group, memberId);
    }
  }

  #group(name: string): Group {
    const found = this.#groups.get(name);
    if (found !== undefined) return found;
    const group: Group = {
      members: new Map(),
      shares: new Map(),
      owners: new Map(),
      assigned: new Map(),
    };
    this.#groups.set(name, group);
    return group;
  }

  #leave(group: Group, memberId: string): void {
    if (group.members.delete(memberId)) this.#deal(group);
  }

  #deal(group: Group): void {
    const members = [...group.members.values()];
    group.assigned = assignTasks([...group.shares.values()], members, group.owners);
    for (const [memberId, tasks] of group.assigned) {
      const { instanceId } = group.members.get(memberId)!;
      for (const task of tasks) group.owners.set(taskKey(task), { memberId, instanceId });
    }
    for (const member of members) this.#tell(group, member);
  }

  /** In a later turn: the caller of `join` has its member by then, and two changes in one turn are told as the last. */
  #tell(group: Group, member: Member): void {
    const tasks = group.assigned.get(member.memberId);
    assert(tasks !== undefined, 'every member is dealt something, if only nothing');
    const tell = async () => {
      await nextTurn();
      if (group.assigned.get(member.memberId) === tasks) member.onAssignment(tasks);
    };
    void tell();
  }
}
