import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Assigning,
  type AssigningMember,
  assignTasks,
  type CountedGroup,
  type MemberTasks,
  replicaRulesDefault,
  taskKey,
} from './assign-tasks.ts';
import type { AssignedTask, HeldTask, ReplicaRules } from './broker.ts';

const size = 1_000_000;

/** Tasks without state. */
const plain = (id: string, tasks: number): CountedGroup => ({
  ...{ id, tasks, topics: [id], changelogBounds: [] },
});

/** Tasks whose changelogs hold `size` records each. */
const stateful = (id: string, tasks: number): CountedGroup => ({
  ...{ id, tasks, topics: [id], changelogs: [`${id}-changelog`] },
  changelogBounds: Array.from({ length: tasks }, () => ({ start: 0, end: size })),
});

const pipeline = [plain('assign', 4), stateful('fold', 1), stateful('detect-drift', 1)];
const allIds = ['assign', 'fold', 'detect-drift', 'g0', 'g1', 'g2', 'g3'];

function member(name: string, held: readonly HeldTask[] = []): AssigningMember {
  return {
    ...{ memberId: `${name}-id`, instanceId: name, processId: name },
    ...{ groups: allIds, held, takesReplicas: true },
  };
}

const running = (task: AssignedTask): HeldTask => ({ ...task, active: true, offset: 'end' });
const stored = (task: AssignedTask, offset: number): HeldTask => ({
  ...{ group: task.group, partition: task.partition, active: false, offset },
});

function deal(
  members: readonly AssigningMember[],
  groups: readonly CountedGroup[] = pipeline,
  rules: Partial<ReplicaRules> = {},
  former: Assigning['former'] = new Map(),
): Map<string, MemberTasks> {
  return assignTasks({ members, groups, former, rules: { ...replicaRulesDefault, ...rules } });
}

const namesOf = (tasks: readonly AssignedTask[] | undefined) => (tasks ?? []).map(taskKey).sort();
const tasksOf = (given: ReadonlyMap<string, MemberTasks>, name: string) =>
  namesOf(given.get(`${name}-id`)?.tasks);
const replicasOf = (given: ReadonlyMap<string, MemberTasks>, name: string) =>
  given.get(`${name}-id`)!.replicas.map((replica) => `${replica.kind} ${taskKey(replica)}`);

/** Everybody runs what they were given, and every replica has caught up. */
function settled(member: AssigningMember, given: ReadonlyMap<string, MemberTasks>) {
  const { tasks, replicas } = given.get(member.memberId)!;
  const held = [...tasks.map(running), ...replicas.map((replica) => stored(replica, size))];
  return { ...member, held };
}

describe('assigning tasks', () => {
  test('two members share each group and the whole evenly', () => {
    const given = deal([member('a'), member('b')]);
    expect(tasksOf(given, 'a')).toEqual(['assign/0', 'assign/1', 'detect-drift/0']);
    expect(tasksOf(given, 'b')).toEqual(['assign/2', 'assign/3', 'fold/0']);
  });

  test('who joins takes only what evenness asks for', () => {
    const [a, b] = [member('a'), member('b')];
    const first = deal([a, b]);
    const three = [settled(a, first), settled(b, first), member('c')];
    const stateless = pipeline.map(({ id, tasks }) => plain(id, tasks));
    const next = deal(three, stateless);
    const had = [...tasksOf(first, 'a'), ...tasksOf(first, 'b')];
    expect(had).toEqual(expect.arrayContaining([...tasksOf(next, 'a'), ...tasksOf(next, 'b')]));
    expect(['a', 'b', 'c'].map((name) => tasksOf(next, name).length)).toEqual([2, 2, 2]);
  });

  test('an instance that returns gets its own tasks again, and takes no others', () => {
    const [a, b] = [member('a'), member('b')];
    const first = deal([a, b]);
    const former = new Map([
      ['a', first.get('a-id')!.tasks],
      ['b', first.get('b-id')!.tasks],
    ]);
    const back = { ...member('b'), memberId: 'new-id' };
    const next = deal([back, settled(a, first)], pipeline, {}, former);
    expect(namesOf(next.get('new-id')!.tasks)).toEqual(tasksOf(first, 'b'));
    // Also when the other one ran all of them meanwhile.
    const alone = settled(a, deal([a]));
    const later = deal(
      [back, alone],
      [plain('assign', 4)],
      {},
      new Map([['b', [task(0), task(2)]]]),
    );
    expect(namesOf(later.get('new-id')!.tasks)).toEqual(['assign/0', 'assign/2']);
  });

  test('a member gets only tasks of groups it knows', () => {
    const old = { ...member('old'), groups: ['assign'] };
    const given = deal([old, member('new')]);
    expect(tasksOf(given, 'old').every((name) => name.startsWith('assign/'))).toBe(true);
    expect(tasksOf(given, 'new')).toEqual(expect.arrayContaining(['fold/0', 'detect-drift/0']));
  });
});

const task = (partition: number, group = 'assign'): AssignedTask => ({ group, partition });

describe('tasks with state', () => {
  const four = [stateful('g0', 4)];
  const g0 = (partition: number) => task(partition, 'g0');
  const all = [0, 1, 2, 3].map(g0);

  test('stay where they run while who is to have them makes a copy, two at a time', () => {
    const owner = member('a', all.map(running));
    const given = deal([owner, member('b')], four, { warmUpsMax: 1 });
    expect(tasksOf(given, 'a')).toHaveLength(4);
    expect(replicasOf(given, 'b')).toEqual(['warm-up g0/2']);
    expect(replicasOf(deal([owner, member('b')], four), 'b')).toHaveLength(2);
  });

  test('move once the copy lacks no more than lagMax', () => {
    const owner = member('a', all.map(running));
    const at = (offset: number) => member('b', [stored(g0(2), offset)]);
    const behind = deal([owner, at(size - 10_001)], four);
    expect(tasksOf(behind, 'a')).toHaveLength(4);
    expect(replicasOf(behind, 'b')).toContain('warm-up g0/2');
    const caughtUp = deal([owner, at(size - 10_000)], four);
    expect(tasksOf(caughtUp, 'b')).toEqual(['g0/2']);
    expect(replicasOf(caughtUp, 'b')).toEqual(['warm-up g0/3']);
  });

  test('go at once when their changelogs are short', () => {
    const short = { ...four[0]!, changelogBounds: all.map(() => ({ start: 0, end: 9_000 })) };
    const given = deal([member('a', all.map(running)), member('b')], [short]);
    expect([tasksOf(given, 'a').length, tasksOf(given, 'b').length]).toEqual([2, 2]);
  });

  test('of a dead owner go to the nearest store, however the others are loaded', () => {
    const held = [stored(g0(0), size - 5), stored(g0(1), size - 9), stored(g0(2), 40)];
    const given = deal([member('empty'), member('near', held)], [stateful('g0', 3)]);
    // Its even share is one or two; the third it runs until the other has a copy.
    expect(tasksOf(given, 'near')).toEqual(expect.arrayContaining(['g0/0', 'g0/1']));
    expect(tasksOf(given, 'near').length + tasksOf(given, 'empty').length).toBe(3);
  });

  test('do not trust a store that lies before the start of the changelog', () => {
    const trimmed = { ...stateful('g0', 1), changelogBounds: [{ start: size / 2, end: size }] };
    const stale = member('a', [stored(g0(0), size / 2 - 1)]);
    const given = deal([stale, member('b', [stored(g0(0), size / 2 + 1)])], [trimmed]);
    expect(tasksOf(given, 'b')).toEqual(['g0/0']);
  });

  test('move freely between the threads of a process, and have no standby in it', () => {
    const one = { ...member('p-1', all.map(running)), processId: 'p' };
    const two = { ...member('p-2'), processId: 'p' };
    const given = deal([one, two], four, { standbys: 1 });
    expect([tasksOf(given, 'p-1').length, tasksOf(given, 'p-2').length]).toEqual([2, 2]);
    expect([...replicasOf(given, 'p-1'), ...replicasOf(given, 'p-2')]).toEqual([]);
    const wider = deal([one, two, member('q')], four, { standbys: 1 });
    expect(replicasOf(wider, 'q').length).toBeGreaterThan(0);
  });

  test('have a standby elsewhere, which takes over when the owner dies', () => {
    const members = ['a', 'b', 'c'].map((name) => member(name));
    const first = deal(members, [stateful('g0', 6)], { standbys: 1 });
    const alive = members.map((each) => settled(each, first)).slice(1);
    const lost = tasksOf(first, 'a');
    const next = deal(alive, [stateful('g0', 6)], { standbys: 1 });
    for (const name of lost) {
      const heir = alive.find(({ instanceId }) => tasksOf(next, instanceId).includes(name))!;
      expect(replicasOf(first, heir.instanceId)).toContain(`standby ${name}`);
    }
  });

  test('give no replica to a member of a release that does not know them', () => {
    const old = { ...member('old'), takesReplicas: false };
    const given = deal([member('a', all.map(running)), old], four, { standbys: 1 });
    expect(given.get('old-id')!.replicas).toEqual([]);
  });
});

describe('whatever the members hold', () => {
  const offset = fc.oneof(fc.constant('end' as const), fc.nat(size));
  const anyHeld = fc.record({
    group: fc.constantFrom('g0', 'g1', 'g2'),
    partition: fc.nat(9),
    active: fc.boolean(),
    offset,
  });
  const anyMembers = fc
    .array(fc.tuple(fc.array(anyHeld, { maxLength: 8 }), fc.nat(3), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    })
    .map((all) =>
      all.map(([held, process, takesReplicas], at) => ({
        ...member(`m${at}`, held),
        ...{ processId: `p${process}`, takesReplicas },
      })),
    );
  const anyGroups = fc
    .array(fc.tuple(fc.nat(9), fc.boolean()), { minLength: 1, maxLength: 4 })
    .map((all) =>
      all.map(([tasks, hasState], at) => (hasState ? stateful : plain)(`g${at}`, tasks)),
    );
  const anyRules = fc.record({
    standbys: fc.nat(2),
    warmUpsMax: fc.integer({ min: 1, max: 3 }),
    lagMax: fc.constantFrom(0, 10_000),
  });

  test('every task has one owner, no replica stands on its disk, and the order of members is nothing', () => {
    fc.assert(
      fc.property(anyMembers, anyGroups, anyRules, (members, groups, rules) => {
        const given = deal(members, groups, rules);
        const owners = [...given.values()].flatMap(({ tasks }) => namesOf(tasks));
        const expected = groups.flatMap(({ id, tasks }) =>
          Array.from({ length: tasks }, (_, partition) => `${id}/${partition}`),
        );
        expect(owners.sort()).toEqual(expected.sort());
        const warmUps = [...given.values()].flatMap(({ replicas }) =>
          replicas.filter(({ kind }) => kind === 'warm-up'),
        );
        expect(warmUps.length).toBeLessThanOrEqual(rules.warmUpsMax);
        expectReplicasApart(members, groups, rules, given);
        expect(deal([...members].reverse(), [...groups].reverse(), rules)).toEqual(given);
      }),
      { numRuns: 400 },
    );
  });

  function expectReplicasApart(
    members: readonly AssigningMember[],
    groups: readonly CountedGroup[],
    { standbys }: ReplicaRules,
    given: ReadonlyMap<string, MemberTasks>,
  ): void {
    const disks = new Map<string, string[]>();
    for (const { memberId, processId, takesReplicas } of members) {
      const { tasks, replicas } = given.get(memberId)!;
      if (!takesReplicas) expect(replicas).toEqual([]);
      for (const name of [...namesOf(tasks), ...namesOf(replicas)]) {
        disks.set(name, [...(disks.get(name) ?? []), processId]);
      }
    }
    const processes = new Set(members.filter((it) => it.takesReplicas).map((it) => it.processId));
    for (const [name, found] of disks) {
      expect(new Set(found).size).toBe(found.length);
      const hasState = groups.some(({ id, changelogs }) => changelogs && name.startsWith(`${id}/`));
      if (!hasState) expect(found).toHaveLength(1);
      else expect(found.length).toBeGreaterThanOrEqual(Math.min(1 + standbys, processes.size));
    }
  }

  test('when replicas have caught up, shares of every group differ by one at most and nothing moves any more', () => {
    fc.assert(
      fc.property(anyMembers, anyGroups, anyRules, (members, groups, rules) => {
        // Who cannot warm up cannot be given a task with state that runs elsewhere.
        let living = members.map((each) => ({ ...each, takesReplicas: true }));
        let given = deal(living, groups, rules);
        let last = given;
        const roundsMax = 60;
        for (let round = 0; round < roundsMax; round++) {
          living = living.map((each) => settled(each, given));
          last = given;
          given = deal(living, groups, rules);
          if (JSON.stringify([...given]) === JSON.stringify([...last])) break;
        }
        for (const { memberId } of living) {
          expect(namesOf(given.get(memberId)!.tasks)).toEqual(namesOf(last.get(memberId)!.tasks));
          expect(namesOf(given.get(memberId)!.replicas)).toEqual(
            namesOf(last.get(memberId)!.replicas),
          );
        }
        for (const { id } of groups) {
          const shares = [...given.values()].map(
            ({ tasks }) => tasks.filter(({ group }) => group === id).length,
          );
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 300 },
    );
  });
});
