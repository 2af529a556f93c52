// Membership of one group in memory: tasks go round the members in the order they joined, and stay where they are
// when they can. The news of an assignment comes in a later microtask, as it does from a real broker.

import type { AssignedTask, GroupMember, JoinOptions } from '../../broker/index.ts';

interface Member {
  readonly memberId: string;
  readonly options: JoinOptions;
  tasks: readonly AssignedTask[];
}

export class MemoryGroup {
  #members: Member[] = [];
  #joined = 0;
  #partitionsOf: (topic: string) => number = () => 0;

  get size(): number {
    return this.#members.length;
  }

  join(options: JoinOptions, partitionsOf: (topic: string) => number): GroupMember {
    this.#joined += 1;
    this.#partitionsOf = partitionsOf;
    const memberId = `${options.instanceId}-${this.#joined}`;
    const member: Member = { memberId, options, tasks: [] };
    this.#members.push(member);
    this.#rebalance();
    return { memberId, leave: async () => this.#leave(member) };
  }

  assign(assignment: ReadonlyMap<string, readonly AssignedTask[]>): void {
    for (const member of this.#members) {
      this.#tell(member, assignment.get(member.options.instanceId) ?? []);
    }
  }

  #leave(member: Member): void {
    this.#members = this.#members.filter((other) => other !== member);
    this.#rebalance();
  }

  #rebalance(): void {
    const tasks = this.#tasks();
    const quota = Math.ceil(tasks.length / this.#members.length);
    const kept = this.#members.map((member) => member.tasks.slice(0, quota));
    const held = new Set(kept.flat().map(taskName));
    for (const task of tasks) {
      if (held.has(taskName(task))) continue;
      const least = kept.reduce((a, b) => (b.length < a.length ? b : a));
      least.push(task);
    }
    for (const [i, member] of this.#members.entries()) this.#tell(member, kept[i]!);
  }

  #tasks(): AssignedTask[] {
    const groups = this.#members[0]?.options.taskGroups ?? [];
    return groups.flatMap(({ id, topics }) =>
      Array.from({ length: this.#partitionsOf(topics[0]!) }, (_, partition) => ({
        group: id,
        partition,
      })),
    );
  }

  #tell(member: Member, tasks: readonly AssignedTask[]): void {
    member.tasks = tasks;
    queueMicrotask(() => member.options.onAssignment(tasks));
  }
}

function taskName({ group, partition }: AssignedTask): string {
  return `${group}_${partition}`;
}
