// Who gets which task, and who keeps a copy of its stores. Pure and deterministic, whatever the order of its arguments,
// so that every rule can be read and tested without a group:
//
//   1. a task is one partition number of all topics of a task group; it goes to one member that knows the group
//   2. the target: every group is shared evenly by itself (counts differ by one at most), then the totals are kept even.
//      Within that a task stays with its owner; else it goes to the store that lacks least of its changelog; else to the
//      instance that had it last; else to who has fewest
//   3. a target whose store lacks more than `lagMax` records does not get the task yet: the member that lacks least runs
//      it meanwhile, and the target makes a warm-up copy. It asks for a new dealing once the copy has caught up
//   4. standbys go to members on other disks than the owner: first to those that have the stores, then to who has fewest
//
// Members of one process share a disk: what one of them has in its stores, all have. Groups with more tasks are dealt
// first. Cost: O(tasks · members).

import type { AssignedReplica, AssignedTask, HeldTask, ReplicaRules, TaskGroup } from './broker.ts';

export interface AssigningMember {
  readonly memberId: string;
  readonly instanceId: string;
  readonly processId: string;
  /** Ids of the task groups it can run. */
  readonly groups: readonly string[];
  readonly held: readonly HeldTask[];
  /** Whether it knows what a replica is; members of an older release do not. */
  readonly takesReplicas: boolean;
}

/** A task group as it is now. */
export interface CountedGroup extends TaskGroup {
  /** As many as its largest topic has partitions. */
  readonly tasks: number;
  /** By partition: first and next offset, summed over the changelogs. Empty without state. */
  readonly changelogBounds: readonly { readonly start: number; readonly end: number }[];
}

/** Tasks by instance, of an assignment made before: a returning instance gets its own again. */
export type FormerOwners = ReadonlyMap<string, readonly AssignedTask[]>;

export interface MemberTasks {
  readonly tasks: readonly AssignedTask[];
  readonly replicas: readonly AssignedReplica[];
}

export interface Assigning {
  readonly members: readonly AssigningMember[];
  readonly groups: readonly CountedGroup[];
  readonly former: FormerOwners;
  readonly rules: ReplicaRules;
}

export const replicaRulesDefault: ReplicaRules = { standbys: 0, warmUpsMax: 2, lagMax: 10_000 };

export function taskKey({ group, partition }: AssignedTask): string {
  return `${group}/${partition}`;
}

/** By member id; every member is in it, if only with nothing. */
export function assignTasks(assigning: Assigning): Map<string, MemberTasks> {
  const members = [...assigning.members].sort(byInstance);
  const table = new HoldingsTable(members, assigning.former);
  const dealt = new Map<string, Dealt>(
    members.map(({ memberId }) => [memberId, { target: 0, tasks: [], replicas: [] }]),
  );
  const groups = [...assigning.groups].sort((a, b) => b.tasks - a.tasks || order(a.id, b.id));
  const pieces = groups.flatMap((group) => {
    const able = members.filter((member) => member.groups.includes(group.id));
    return able.length === 0 ? [] : targets(group, able, table, dealt);
  });
  const moving = giveTasks(pieces, assigning.rules, dealt);
  giveStandbys(pieces, moving, assigning.rules, dealt);
  return dealt;
}

interface Dealt {
  /** Tasks that are its own in the end. */
  target: number;
  readonly tasks: AssignedTask[];
  readonly replicas: AssignedReplica[];
}

/** One task with all that is known about it. */
interface Piece {
  readonly task: AssignedTask;
  readonly hasState: boolean;
  /** In the changelogs: what an empty store lacks. */
  readonly records: number;
  readonly able: readonly AssigningMember[];
  /** Changelog records each of them lacks. */
  readonly lags: ReadonlyMap<string, number>;
  readonly owner: AssigningMember | undefined;
  readonly formerOwner: AssigningMember | undefined;
  readonly replicaHolders: ReadonlySet<string>;
  target: AssigningMember | undefined;
  active: AssigningMember | undefined;
}

/** What members said they hold, by task. */
class HoldingsTable {
  readonly #holdings = new Map<string, { member: AssigningMember; held: HeldTask }[]>();
  readonly #former = new Map<string, AssigningMember>();

  constructor(members: readonly AssigningMember[], former: FormerOwners) {
    for (const member of members) {
      for (const held of member.held) {
        const key = taskKey(held);
        this.#holdings.set(key, [...(this.#holdings.get(key) ?? []), { member, held }]);
      }
      for (const task of former.get(member.instanceId) ?? []) {
        const key = taskKey(task);
        if (!this.#former.has(key)) this.#former.set(key, member);
      }
    }
  }

  piece(group: CountedGroup, partition: number, able: readonly AssigningMember[]): Piece {
    const task = { group: group.id, partition };
    const holdings = this.#holdings.get(taskKey(task)) ?? [];
    const isAble = (member: AssigningMember | undefined) =>
      member !== undefined && able.includes(member) ? member : undefined;
    const bounds = group.changelogBounds[partition] ?? { start: 0, end: 0 };
    return {
      task,
      hasState: (group.changelogs ?? []).length > 0,
      able,
      records: bounds.end - bounds.start,
      lags: lagsOf(able, holdings, bounds),
      owner: isAble(holdings.find(({ held }) => held.active)?.member),
      formerOwner: isAble(this.#former.get(taskKey(task))),
      replicaHolders: new Set(
        holdings.filter(({ held }) => !held.active).map(({ member }) => member.memberId),
      ),
      target: undefined,
      active: undefined,
    };
  }
}

function lagsOf(
  able: readonly AssigningMember[],
  holdings: readonly { member: AssigningMember; held: HeldTask }[],
  { start, end }: { start: number; end: number },
): Map<string, number> {
  const byProcess = new Map<string, number>();
  for (const { member, held } of holdings) {
    const isUseless = held.offset !== 'end' && held.offset < start;
    const offset = held.offset === 'end' ? end : isUseless ? start : held.offset;
    const lag = Math.max(0, end - offset);
    byProcess.set(member.processId, Math.min(lag, byProcess.get(member.processId) ?? lag));
  }
  return new Map(
    able.map(({ memberId, processId }) => [memberId, byProcess.get(processId) ?? end - start]),
  );
}

/** The even share of one group: rule 2. */
function targets(
  group: CountedGroup,
  able: readonly AssigningMember[],
  table: HoldingsTable,
  dealt: ReadonlyMap<string, Dealt>,
): Piece[] {
  const pieces = Array.from({ length: group.tasks }, (_, p) => table.piece(group, p, able));
  const room = quotas(pieces, able, dealt);
  const take = (piece: Piece, member: AssigningMember | undefined): boolean => {
    const left = member === undefined ? 0 : room.get(member.memberId)!;
    if (piece.target !== undefined || left === 0) return false;
    piece.target = member;
    room.set(member!.memberId, left - 1);
    dealt.get(member!.memberId)!.target += 1;
    return true;
  };
  // An owner with more than its share keeps what nobody else has a claim on.
  const leastWanted = [...pieces].sort((a, b) => claimsBesideOwner(a) - claimsBesideOwner(b));
  for (const piece of leastWanted) take(piece, piece.owner);
  for (const { piece, member } of nearestStores(pieces)) take(piece, member);
  for (const piece of pieces) take(piece, piece.formerOwner);
  for (const piece of pieces) able.some((member) => take(piece, member));
  return pieces;
}

function claimsBesideOwner({ owner, formerOwner, replicaHolders }: Piece): number {
  const former = formerOwner !== undefined && formerOwner !== owner ? 1 : 0;
  return former + [...replicaHolders].filter((id) => id !== owner?.memberId).length;
}

/** Stores of tasks with state, those that lack least first. A store that lacks everything is no claim. */
function nearestStores(pieces: readonly Piece[]): { piece: Piece; member: AssigningMember }[] {
  return pieces
    .filter((piece) => piece.hasState && piece.target === undefined)
    .flatMap((piece) => {
      const holders = piece.able.filter(({ memberId }) => piece.replicaHolders.has(memberId));
      return holders.map((member) => ({ piece, member, lag: lagOf(piece, member) }));
    })
    .filter(({ piece, lag }) => lag < piece.records)
    .sort((a, b) => a.lag - b.lag);
}

/** How many tasks of the group each member may take. */
function quotas(
  pieces: readonly Piece[],
  able: readonly AssigningMember[],
  dealt: ReadonlyMap<string, Dealt>,
): Map<string, number> {
  const claims = new Map<string, number>();
  for (const { owner, formerOwner } of pieces) {
    const claimant = (owner ?? formerOwner)?.memberId;
    if (claimant !== undefined) claims.set(claimant, (claims.get(claimant) ?? 0) + 1);
  }
  const claimsOf = ({ memberId }: AssigningMember) => claims.get(memberId) ?? 0;
  const total = ({ memberId }: AssigningMember) => dealt.get(memberId)!.target;
  const ranked = [...able].sort(
    (a, b) => total(a) - total(b) || claimsOf(b) - claimsOf(a) || byInstance(a, b),
  );
  const share = Math.floor(pieces.length / able.length);
  const oneMore = pieces.length % able.length;
  return new Map(ranked.map(({ memberId }, at) => [memberId, share + (at < oneMore ? 1 : 0)]));
}

/** Rule 3. @returns the tasks that are to move, with their warm-ups. */
function giveTasks(
  pieces: readonly Piece[],
  { lagMax, warmUpsMax }: ReplicaRules,
  dealt: ReadonlyMap<string, Dealt>,
): Map<Piece, AssigningMember> {
  const moving = new Map<Piece, AssigningMember>();
  for (const piece of pieces) {
    const target = piece.target!;
    const nearest = nearestOf(piece);
    const waits = lagOf(piece, target) > lagMax && lagOf(piece, nearest) < lagOf(piece, target);
    piece.active = waits ? nearest : target;
    dealt.get(piece.active.memberId)!.tasks.push(piece.task);
    if (!waits || !target.takesReplicas || moving.size >= warmUpsMax) continue;
    moving.set(piece, target);
    dealt.get(target.memberId)!.replicas.push({ ...piece.task, kind: 'warm-up' });
  }
  return moving;
}

/** Who lacks least; the owner among equals, then the target. */
function nearestOf(piece: Piece): AssigningMember {
  const preferred = [piece.owner, piece.target, ...piece.able].filter((it) => it !== undefined);
  return preferred.reduce((a, b) => (lagOf(piece, b) < lagOf(piece, a) ? b : a));
}

/** Rule 4. */
function giveStandbys(
  pieces: readonly Piece[],
  moving: ReadonlyMap<Piece, AssigningMember>,
  { standbys }: ReplicaRules,
  dealt: ReadonlyMap<string, Dealt>,
): void {
  const withState = pieces.filter((piece) => piece.hasState);
  if (standbys === 0 || withState.length === 0) return;
  const takers = new Set(withState.flatMap(({ able }) => able));
  const share = Math.ceil((withState.length * standbys) / takers.size);
  const count = ({ memberId }: AssigningMember) =>
    dealt.get(memberId)!.replicas.filter(({ kind }) => kind === 'standby').length;
  const isFull = (member: AssigningMember) => count(member) >= share;
  const used = new Map(
    withState.map((piece) => {
      const members = [piece.active!, moving.get(piece)].filter((it) => it !== undefined);
      return [piece, new Set(members.map(({ processId }) => processId))] as const;
    }),
  );
  const wanted = new Map(withState.map((piece) => [piece, standbys]));
  const give = (piece: Piece, member: AssigningMember) => {
    if (wanted.get(piece) === 0 || used.get(piece)!.has(member.processId)) return;
    used.get(piece)!.add(member.processId);
    wanted.set(piece, wanted.get(piece)! - 1);
    dealt.get(member.memberId)!.replicas.push({ ...piece.task, kind: 'standby' });
  };
  const holds = (piece: Piece, { memberId }: AssigningMember) =>
    piece.replicaHolders.has(memberId) ? 0 : 1;
  const takersOf = (piece: Piece) => piece.able.filter(({ takesReplicas }) => takesReplicas);
  for (const piece of withState) {
    const holders = takersOf(piece).filter((member) => holds(piece, member) === 0);
    holders.sort((a, b) => lagOf(piece, a) - lagOf(piece, b));
    for (const member of holders) if (!isFull(member)) give(piece, member);
  }
  for (const piece of withState) {
    const candidates = takersOf(piece).sort(
      (a, b) =>
        Number(isFull(a)) - Number(isFull(b)) ||
        holds(piece, a) - holds(piece, b) ||
        count(a) - count(b) ||
        byInstance(a, b),
    );
    for (const member of candidates) give(piece, member);
  }
}

function lagOf({ lags }: Piece, { memberId }: AssigningMember): number {
  return lags.get(memberId)!;
}

function byInstance(a: AssigningMember, b: AssigningMember): number {
  return order(a.instanceId, b.instanceId) || order(a.memberId, b.memberId);
}

function order(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
