// A consumer group: members that were not heard for their session are out; every change deals the tasks anew under a new
// generation, which each member hears with its own next heartbeat. So for a while two may think that a task is theirs.

import { assignTasks, type TaskShare, taskKey } from '../../broker/embedded/task-assignment.ts';
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
  readonly #shares = new Map<string, TaskShare>();
  readonly #left = new Set<string>();
  #owners = new Map<string, { memberId: string; instanceId: string }>();
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
        this.#shares.set(id, { id, partitions: Math.max(...topics.map(this.#partitionsOf)) });
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

  /** Tasks change hands for no reason anybody sees. */
  shuffle(): void {
    const members = [...this.#members.values()];
    const pick = () => members[this.#random.below(members.length)]!;
    for (const key of this.#owners.keys()) this.#owners.set(key, pick());
    this.#deal(true);
  }

  #deal(isShuffled = false): void {
    this.#generation += 1;
    const members = [...this.#members.values()];
    if (isShuffled && members.length > 0) {
      const dealt = new Map<string, AssignedTask[]>(members.map((it) => [it.memberId, []]));
      for (const { id: group, partitions } of this.#shares.values()) {
        for (let partition = 0; partition < partitions; partition++) {
          const { memberId } = this.#owners.get(taskKey({ group, partition })) ?? members[0]!;
          dealt.get(memberId)!.push({ group, partition });
        }
      }
      this.#dealt = dealt;
    } else {
      this.#dealt = assignTasks([...this.#shares.values()], members, this.#owners);
    }
    const told = [...this.#dealt].map(([id, tasks]) => `${id}: ${tasks.map(taskKey).join(' ')}`);
    this.#note(`generation ${this.#generation}: ${told.join('; ')}`);
    for (const [memberId, tasks] of this.#dealt) {
      const { instanceId } = this.#members.get(memberId)!;
      for (const task of tasks) this.#owners.set(taskKey(task), { memberId, instanceId });
    }
  }
}
