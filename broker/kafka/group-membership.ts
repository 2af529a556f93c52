// Membership of a consumer group, without consuming: join, hear the tasks, send heartbeats, join again when Kafka says so.
// It uses kafkajs's requests but not its consumer, whose assignments lose our data and whose stop can hang. Assignments
// are advice: safety comes from fencing.
//
//   joining ──► member ──(rebalance)──► joining
//      ▲          └──(unknown member, or no heartbeat for a session)──► lost: no tasks ──┐
//      └─────────────────────────────────────────────────────────────────────────────────┘

import { FatalError, nextBackoffMs, RetriableError } from '../../support/index.ts';
import {
  type AssigningMember,
  assignTasks,
  type CountedGroup,
  type MemberTasks,
  replicaRulesDefault,
} from '../assign-tasks.ts';
import type { AssignedTask, GroupMember, HeldTask, JoinOptions, TaskGroup } from '../broker.ts';
import { summedBounds } from '../group-coordinator.ts';
import type { Connections } from './connections.ts';
import { check, coordinatorMoved, isForbidden, isRefusal, refusalType } from './kafka-errors.ts';
import {
  decodeNews,
  decodeTasks,
  encodeNews,
  encodeTasks,
  type MemberNews,
} from './member-messages.ts';
import { listOffsets, partitionCount } from './topic-admin.ts';

const protocolName = 'meanstream-tasks';
const heartbeatMsMax = 500;
const recountMs = 5_000;
const pause = { msMin: 50, msMax: 1_000 };
const leaveMsMax = 3_000;
/** The others wait for their tasks meanwhile. */
const boundsMsMax = 2_000;
const nothing: MemberTasks = { tasks: [], replicas: [] };

/** Kafka refuses offsets from a member of an older generation. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly groupGenerationId: number;
}

interface Generation {
  readonly id: number;
  readonly isLeader: boolean;
}

/** Kafka will never let us in like this. */
const hopeless = new Set([
  'INVALID_SESSION_TIMEOUT',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'GROUP_MAX_SIZE_REACHED',
]);

export class GroupMembership implements GroupMember {
  readonly #connections: Connections;
  readonly #options: JoinOptions;
  readonly #lane: string;
  readonly #left = new AbortController();
  #memberId = '';
  #generation = -1;
  #assigned: MemberTasks = nothing;
  /** Aborted when this member wants the tasks dealt anew. */
  #rejoining = new AbortController();
  /** What the last assignment made by this member gave each instance. */
  #former = new Map<string, readonly AssignedTask[]>();
  #taskCounts = '';
  #heardAtMs = 0;
  #running: Promise<void> = Promise.resolve();

  private constructor(connections: Connections, options: JoinOptions, lane: string) {
    this.#connections = connections;
    this.#options = options;
    this.#lane = lane;
  }

  /** Resolves with the first assignment. @throws FatalError when Kafka will not have this member. */
  static async join(
    connections: Connections,
    options: JoinOptions,
    lane: string,
  ): Promise<GroupMembership> {
    const membership = new GroupMembership(connections, options, lane);
    const first = await membership.#joinPatiently();
    membership.#running = membership.#stay(first);
    return membership;
  }

  get memberId(): string {
    return this.#memberId;
  }

  get group(): string {
    return this.#options.group;
  }

  /** By what rights this process commits offsets of the group; undefined while it is no member. */
  get identity(): MemberIdentity | undefined {
    if (this.#isOver || this.#memberId === '' || this.#generation < 0) return undefined;
    return { memberId: this.#memberId, groupGenerationId: this.#generation };
  }

  rejoin(): void {
    this.#rejoining.abort();
  }

  async leave(): Promise<void> {
    if (this.#left.signal.aborted) return;
    this.#left.abort();
    this.#rejoining.abort();
    const { clock } = this.#connections;
    await Promise.race([this.#sayGoodbye(), clock.sleep(leaveMsMax)]);
    // A join that waits for others is cut off.
    await this.#connections.closeLane(this.#lane);
    await Promise.race([this.#running, clock.sleep(leaveMsMax)]);
  }

  async #sayGoodbye(): Promise<void> {
    const { group } = this.#options;
    if (this.#memberId === '') return;
    try {
      // On another lane: a join that waits would hold the message up.
      const node = await this.#connections.coordinator('group', group, 'requests');
      await node.call('LeaveGroup', { groupId: group, memberId: this.#memberId });
    } catch (error) {
      this.#report(error, 'Leaving the group went unheard; Kafka will notice.');
    }
  }

  async #stay(first: Generation | undefined): Promise<void> {
    try {
      for (let generation = first; generation !== undefined; ) {
        await this.#beat(generation);
        generation = await this.#joinPatiently();
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#connections.logger.error({ group: this.#options.group, reason }, 'Out of the group.');
      this.#tell(nothing);
    }
  }

  /** @returns undefined once the group was left. */
  async #joinPatiently(): Promise<Generation | undefined> {
    const { signal } = this.#left;
    const { clock } = this.#connections;
    for (let pauseMs = pause.msMin; !this.#isOver; pauseMs = nextBackoffMs(pauseMs, pause)) {
      try {
        return await this.#joinAndSync();
      } catch (error) {
        if (this.#isOver) break;
        this.#onFault(error);
        this.#report(error, 'Joining the group failed; it will be tried again.');
      }
      await clock.sleep(pauseMs, signal);
    }
    return undefined;
  }

  async #joinAndSync(): Promise<Generation> {
    const { group, sessionTimeoutMs } = this.#options;
    this.#rejoining = new AbortController();
    const metadata = encodeNews(this.#news());
    const node = await this.#coordinator();
    const join = () =>
      node.call('JoinGroup', {
        groupId: group,
        memberId: this.#memberId,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: sessionTimeoutMs,
        protocolType: 'consumer',
        groupProtocols: [{ name: protocolName, metadata }],
      });
    let joined = await join();
    const memberIdRequired = 79;
    if (joined.errorCode === memberIdRequired) {
      this.#memberId = joined.memberId;
      joined = await join();
    }
    check('JoinGroup', joined.errorCode);
    this.#memberId = joined.memberId;
    const { generationId, leaderId, members } = joined;
    this.#generation = generationId;
    const isLeader = leaderId === joined.memberId;
    const synced = await node.call('SyncGroup', {
      groupId: group,
      generationId,
      memberId: this.#memberId,
      groupAssignment: isLeader ? await this.#assign(members) : [],
    });
    check('SyncGroup', synced.errorCode);
    this.#heardAtMs = this.#connections.clock.monotonicMs();
    this.#tell(decodeTasks(synced.memberAssignment));
    return { id: generationId, isLeader };
  }

  #news(): MemberNews {
    const { instanceId, processId = instanceId, taskGroups, held } = this.#options;
    return {
      ...{ instanceId, processId, taskGroups, takesReplicas: true },
      held: held?.() ?? this.#assigned.tasks.map(asRunning),
    };
  }

  /** Returns when it is time to join again: Kafka asks for it, we do, or the number of tasks has changed. */
  async #beat(generation: Generation): Promise<void> {
    const { clock } = this.#connections;
    const { group, sessionTimeoutMs } = this.#options;
    const intervalMs = Math.min(heartbeatMsMax, sessionTimeoutMs / 3);
    let recountAtMs = clock.monotonicMs() + recountMs;
    for (;;) {
      await clock.sleep(intervalMs, this.#rejoining.signal);
      if (this.#isOver || this.#rejoining.signal.aborted) return;
      try {
        const node = await this.#coordinator();
        const { errorCode } = await node.call('Heartbeat', {
          groupId: group,
          groupGenerationId: generation.id,
          memberId: this.#memberId,
        });
        check('Heartbeat', errorCode);
        this.#heardAtMs = clock.monotonicMs();
        if (!generation.isLeader || clock.monotonicMs() < recountAtMs) continue;
        recountAtMs = clock.monotonicMs() + recountMs;
        if (countsOf(await this.#countTasks()) !== this.#taskCounts) return;
      } catch (error) {
        if (this.#isOver || this.#onFault(error) === 'join again') return;
      }
    }
  }

  /** Forgets what the error proves wrong. Membership that is lost, or silent for a session, has no tasks. */
  #onFault(error: unknown): 'join again' | 'go on' {
    if (error instanceof FatalError) throw error;
    const { group, sessionTimeoutMs } = this.#options;
    const type = refusalType(error);
    if (type !== undefined && (hopeless.has(type) || isForbidden(error))) {
      throw new FatalError(`Kafka does not let us into group ${group}: ${type}.`, { cause: error });
    }
    const isSilent =
      this.#connections.clock.monotonicMs() - this.#heardAtMs > sessionTimeoutMs &&
      type === undefined;
    if (type === 'UNKNOWN_MEMBER_ID' || isSilent) {
      this.#memberId = type === undefined ? this.#memberId : '';
      if (this.#assigned !== nothing) this.#tell(nothing);
    }
    if (type === undefined || isRefusal(error, coordinatorMoved)) {
      this.#connections.forgetCoordinator('group', group);
      // A coordinator that has moved may still count us in: heartbeats alone would never bring the tasks back.
      return isSilent ? 'join again' : 'go on';
    }
    return 'join again';
  }

  async #assign(
    members: readonly { memberId: string; memberMetadata: Buffer }[],
  ): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    const counted = await this.#countTasks();
    const groups = await Promise.all(counted.map((group) => this.#withBounds(group)));
    const assignable = members.flatMap(({ memberId, memberMetadata }): AssigningMember[] => {
      const news = decodeNews(memberMetadata);
      if (news === undefined) return [];
      return [{ memberId, ...news, groups: news.taskGroups.map(({ id }) => id) }];
    });
    const assigned = assignTasks({
      ...{ members: assignable, groups, former: this.#former },
      rules: this.#options.replicas ?? replicaRulesDefault,
    });
    this.#taskCounts = countsOf(counted);
    for (const { memberId, instanceId } of assignable) {
      this.#former.set(instanceId, assigned.get(memberId)!.tasks);
    }
    return [...assigned].map(([memberId, dealt]) => ({
      memberId,
      memberAssignment: encodeTasks(dealt, groups),
    }));
  }

  /** Without the changelogs nobody can say who is how far behind: then nobody is. */
  async #withBounds(group: TaskGroup & { readonly tasks: number }): Promise<CountedGroup> {
    try {
      const asking = (group.changelogs ?? []).map((topic) => listOffsets(this.#connections, topic));
      const late = this.#connections.clock.sleep(boundsMsMax).then(() => undefined);
      const changelogs = await Promise.race([Promise.all(asking), late]);
      if (changelogs === undefined) throw new RetriableError(`no answer in ${boundsMsMax} ms`);
      return { ...group, changelogBounds: summedBounds(group.tasks, changelogs) };
    } catch (error) {
      this.#report(error, 'The changelogs cannot be looked at; tasks are dealt without.');
      return { ...group, changelogBounds: [] };
    }
  }

  async #countTasks(): Promise<(TaskGroup & { readonly tasks: number })[]> {
    return Promise.all(
      this.#options.taskGroups.map(async (group) => {
        const counts = await Promise.all(
          group.topics.map((topic) => partitionCount(this.#connections, topic)),
        );
        return { ...group, tasks: Math.max(0, ...counts) };
      }),
    );
  }

  #tell(assigned: MemberTasks): void {
    if (this.#left.signal.aborted) return;
    this.#assigned = assigned;
    try {
      this.#options.onAssignment(assigned.tasks, assigned.replicas);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FatalError(`Taking on the assigned tasks failed: ${reason}`, { cause });
    }
  }

  async #coordinator() {
    return this.#connections.coordinator('group', this.#options.group, this.#lane);
  }

  get #isOver(): boolean {
    return this.#left.signal.aborted || this.#connections.closed;
  }

  #report(error: unknown, message: string): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#connections.logger.debug({ group: this.#options.group, reason }, message);
  }
}

function countsOf(groups: readonly { readonly id: string; readonly tasks: number }[]): string {
  return groups.map(({ id, tasks }) => `${id} ${tasks}`).join();
}

function asRunning(task: AssignedTask): HeldTask {
  return { ...task, active: true, offset: 'end' };
}
