// A consumer group: members that were not heard for their session are out; every change deals the tasks anew under a new
// generation, which each member hears with its own next heartbeat. So for a while two may think that a task is theirs.

import {
  assignTasks,
  type CountedGroup,
  replicaRulesDefault,
  taskKey,
} from '../../broker/assign-tasks.ts';
import type { AssignedTask, TaskGroup } from '../../broker/index.ts';
import type { Random } from '../../support/index.ts';
import type { Scheduler } from './scheduler.ts';

/** The group does not know this member, or no longer. */
export class UnknownMemberError extends Error {}

interface Member {
  readonly memberId: string;
  readonly instanceId: string;
  readonly sessionTimeoutMs: number;
  readonly taskGroups: ReadonlySet<string>;
  cancelExpiry: () => void;
}

interface Owner {
  readonly task: AssignedTask;
  readonly memberId: string;
  readonly instanceId: string;
}

export interface Joining {
  readonly memberId: string;
  readonly instanceId: string;
  readonly sessionTimeoutMs: number;
  readonly taskGroups: readonly TaskGroup[];
}

export interface Dealt {
  readonly generation: number;
  readonly tasks: readonly AssignedTask[];
}

export class GroupModel {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #partitionsOf: (topic: string) => number;
  readonly #note: (text: string) => void;
  readonly #members = new Map<string, Member>();
  /** Without changelogs: the tasks are dealt as if every store were at hand. */
  readonly #groups = new Map<string, CountedGroup>();
  readonly #left = new Set<string>();
  #owners = new Map<string, Owner>();
  #dealt = new Map<string, readonly AssignedTask[]>();
  #generation = 0;

  constructor(options: {
    scheduler: Scheduler;
    random: Random;
    partitionsOf: (topic: string) => number;
    note: (text: string) => void;
  }) {
    this.#scheduler = options.scheduler;
    this.#random = options.random;
    this.#partitionsOf = options.partitionsOf;
    this.#note = options.note;
  }

  get size(): number {
    return this.#members.size;
  }

  join({ memberId, instanceId, sessionTimeoutMs, taskGroups }: Joining): Dealt {
    if (this.#left.has(memberId)) throw new UnknownMemberError(memberId);
    if (!this.#members.has(memberId)) {
      for (const { id, topics } of taskGroups) {
        const tasks = Math.max(...topics.map(this.#partitionsOf));
        this.#groups.set(id, { id, topics, tasks, changelogBounds: [] });
      }
      const groups = new Set(taskGroups.map(({ id }) => id));
      const expiry = { cancelExpiry: () => {} };
      this.#members.set(memberId, {
        ...{ memberId, instanceId, sessionTimeoutMs, taskGroups: groups },
        ...expiry,
      });
      this.#deal();
    }
    return this.heartbeat(memberId);
  }

  heartbeat(memberId: string): Dealt {
    const member = this.#members.get(memberId);
    if (member === undefined) throw new UnknownMemberError(memberId);
    member.cancelExpiry();
    member.cancelExpiry = this.#scheduler.after(member.sessionTimeoutMs, () => {
      this.#note(`${memberId} was not heard for its session`);
      this.leave(memberId);
    });
    return { generation: this.#generation, tasks: this.#dealt.get(memberId) ?? [] };
  }

  leave(memberId: string): void {
    this.#left.add(memberId);
    this.#members.get(memberId)?.cancelExpiry();
    if (this.#members.delete(memberId)) this.#deal();
  }

  /** A member asks for a new dealing. */
  rejoin(memberId: string): void {
    if (this.#members.has(memberId)) this.#deal();
  }

  /** Tasks change hands for no reason anybody sees. */
  shuffle(): void {
    const members = [...this.#members.values()];
    if (members.length === 0) return;
    const pick = () => members[this.#random.below(members.length)]!;
    for (const [key, { task }] of this.#owners) this.#owners.set(key, { task, ...pick() });
    this.#deal(true);
  }

  #deal(isShuffled = false): void {
    this.#generation += 1;
    const members = [...this.#members.values()];
    if (isShuffled && members.length > 0) {
      const dealt = new Map<string, AssignedTask[]>(members.map((it) => [it.memberId, []]));
      for (const { id: group, tasks } of this.#groups.values()) {
        for (let partition = 0; partition < tasks; partition++) {
          const { memberId } = this.#owners.get(taskKey({ group, partition })) ?? members[0]!;
          dealt.get(memberId)!.push({ group, partition });
        }
      }
      this.#dealt = dealt;
    } else {
      this.#dealt = this.#evenly(members);
    }
    const told = [...this.#dealt].map(([id, tasks]) => `${id}: ${tasks.map(taskKey).join(' ')}`);
    this.#note(`generation ${this.#generation}: ${told.join('; ')}`);
    for (const [memberId, tasks] of this.#dealt) {
      const { instanceId } = this.#members.get(memberId)!;
      for (const task of tasks) this.#owners.set(taskKey(task), { task, memberId, instanceId });
    }
  }
  #evenly(members: readonly Member[]): Map<string, readonly AssignedTask[]> {
    const former = new Map<string, AssignedTask[]>();
    for (const { task, instanceId } of this.#owners.values()) {
      former.set(instanceId, [...(former.get(instanceId) ?? []), task]);
    }
    const dealt = assignTasks({
      members: members.map(({ memberId, instanceId, taskGroups }) => ({
        ...{ memberId, instanceId, processId: instanceId, takesReplicas: true },
        groups: [...taskGroups],
        held: (this.#dealt.get(memberId) ?? []).map((task) => ({
          ...task,
          active: true,
          offset: 'end' as const,
        })),
      })),
      groups: [...this.#groups.values()],
      former,
      rules: replicaRulesDefault,
    });
    return new Map([...dealt].map(([memberId, { tasks }]) => [memberId, tasks]));
  }
}
