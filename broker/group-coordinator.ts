// Consumer groups inside one process: members come and go, every change deals the tasks anew and tells everybody.

import { assert, nextTurn } from '../support/index.ts';
import {
  type AssigningMember,
  assignTasks,
  type CountedGroup,
  type MemberTasks,
  replicaRulesDefault,
} from './assign-tasks.ts';
import type {
  AssignedTask,
  GroupMember,
  JoinOptions,
  PartitionOffsets,
  TaskGroup,
} from './broker.ts';

interface Member {
  readonly memberId: string;
  readonly options: JoinOptions;
}

interface Group {
  readonly members: Map<string, Member>;
  /** All that any member has named. */
  readonly taskGroups: Map<string, TaskGroup>;
  /** What each instance had last, also of members that are gone. */
  readonly former: Map<string, readonly AssignedTask[]>;
  assigned: Map<string, MemberTasks>;
}

export class GroupCoordinator {
  readonly #partitionsOf: (topic: string) => readonly PartitionOffsets[];
  readonly #groups = new Map<string, Group>();
  #joined = 0;

  /** `partitionsOf` gives nothing for a topic that does not exist. */
  constructor(partitionsOf: (topic: string) => readonly PartitionOffsets[]) {
    this.#partitionsOf = partitionsOf;
  }

  join(options: JoinOptions): GroupMember {
    this.#joined += 1;
    const memberId = `${options.instanceId}-${this.#joined}`;
    const group = this.#group(options.group);
    for (const taskGroup of options.taskGroups) group.taskGroups.set(taskGroup.id, taskGroup);
    group.members.set(memberId, { memberId, options });
    this.#deal(group);
    return {
      memberId,
      rejoin: () => {
        if (group.members.has(memberId)) this.#deal(group);
      },
      leave: async () => this.#leave(group, memberId),
    };
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
      taskGroups: new Map(),
      former: new Map(),
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
    const groups = [...group.taskGroups.values()].map((it) => this.#counted(it));
    group.assigned = assignTasks({
      members: members.map((member) => assigningMember(member, group)),
      groups,
      former: group.former,
      rules: members[0]?.options.replicas ?? replicaRulesDefault,
    });
    for (const { memberId, options } of members) {
      group.former.set(options.instanceId, group.assigned.get(memberId)!.tasks);
    }
    for (const member of members) this.#tell(group, member);
  }

  #counted(taskGroup: TaskGroup): CountedGroup {
    const tasks = Math.max(0, ...taskGroup.topics.map((topic) => this.#partitionsOf(topic).length));
    const changelogs = (taskGroup.changelogs ?? []).map(this.#partitionsOf);
    return { ...taskGroup, tasks, changelogBounds: summedBounds(tasks, changelogs) };
  }

  /** In a later turn: the caller of `join` has its member by then, and two changes in one turn are told as the last. */
  #tell(group: Group, { memberId, options }: Member): void {
    const assigned = group.assigned.get(memberId);
    assert(assigned !== undefined, 'every member is dealt something, if only nothing');
    const tell = async () => {
      await nextTurn();
      if (group.assigned.get(memberId) !== assigned) return;
      options.onAssignment(assigned.tasks, assigned.replicas);
    };
    void tell();
  }
}

function assigningMember({ memberId, options }: Member, group: Group): AssigningMember {
  const { instanceId, processId = instanceId, taskGroups, held } = options;
  const last = group.assigned.get(memberId)?.tasks ?? [];
  return {
    ...{ memberId, instanceId, processId, takesReplicas: true },
    groups: taskGroups.map(({ id }) => id),
    held: held?.() ?? last.map((task) => ({ ...task, active: true, offset: 'end' })),
  };
}

/** By partition, over the changelogs of a group: where they begin and end, added up. */
export function summedBounds(
  tasks: number,
  changelogs: readonly (readonly PartitionOffsets[])[],
): { start: number; end: number }[] {
  const sum = (partition: number, edge: 'logStart' | 'end') =>
    changelogs.reduce((total, offsets) => total + (offsets[partition]?.[edge] ?? 0), 0);
  return Array.from({ length: changelogs.length === 0 ? 0 : tasks }, (_, partition) => ({
    start: sum(partition, 'logStart'),
    end: sum(partition, 'end'),
  }));
}
