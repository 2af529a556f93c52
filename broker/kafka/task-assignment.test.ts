import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AssignedTask } from '../broker.ts';
import { type AssignableMember, assignTasks, type CountedGroup } from './task-assignment.ts';

const group = (id: string, tasks: number): CountedGroup => ({ id, tasks, topics: [id] });
const pipeline = [group('assign', 4), group('fold', 1), group('detect-drift', 1)];

function member(name: string, held: readonly AssignedTask[] = []): AssignableMember {
  return {
    memberId: `${name}-id`,
    instanceId: name,
    groups: ['assign', 'fold', 'detect-drift'],
    held,
  };
}

const namesOf = (tasks: readonly AssignedTask[] | undefined) =>
  (tasks ?? []).map(({ group: id, partition }) => `${id}/${partition}`).sort();

describe('assigning tasks', () => {
  test('two members share each group and the whole evenly', () => {
    const given = assignTasks([member('a'), member('b')], pipeline, new Map());
    expect(namesOf(given.get('a-id'))).toEqual(['assign/0', 'assign/1', 'detect-drift/0']);
    expect(namesOf(given.get('b-id'))).toEqual(['assign/2', 'assign/3', 'fold/0']);
  });

  test('who joins takes only what evenness asks for', () => {
    const first = assignTasks([member('a'), member('b')], pipeline, new Map());
    const [a, b] = [first.get('a-id')!, first.get('b-id')!];
    const next = assignTasks([member('a', a), member('b', b), member('c')], pipeline, new Map());
    const kept = [...next.get('a-id')!, ...next.get('b-id')!];
    expect(namesOf(kept).every((task) => namesOf([...a, ...b]).includes(task))).toBe(true);
    expect([...next.values()].map((tasks) => tasks.length).sort()).toEqual([2, 2, 2]);
  });

  test('an instance that returns gets its own tasks again', () => {
    const first = assignTasks([member('a'), member('b')], pipeline, new Map());
    const former = new Map([
      ['a', first.get('a-id')!],
      ['b', first.get('b-id')!],
    ]);
    const back = { ...member('b'), memberId: 'new-id' };
    const next = assignTasks([back, member('a', first.get('a-id')!)], pipeline, former);
    expect(namesOf(next.get('new-id'))).toEqual(namesOf(first.get('b-id')));
  });

  test('a member gets only tasks of groups it knows', () => {
    const old = { ...member('old'), groups: ['assign'] };
    const given = assignTasks([old, member('new')], pipeline, new Map());
    expect(namesOf(given.get('old-id')).every((task) => task.startsWith('assign/'))).toBe(true);
    expect(namesOf(given.get('new-id'))).toEqual(
      expect.arrayContaining(['fold/0', 'detect-drift/0']),
    );
  });

  test('every task has exactly one owner, shares differ by one at most, and repeating moves nothing', () => {
    const counts = fc.array(fc.nat(9), { minLength: 1, maxLength: 4 });
    const anyTask = fc.record({ group: fc.constantFrom('g0', 'g1'), partition: fc.nat(9) });
    const heldBy = fc.array(fc.array(anyTask, { maxLength: 6 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(counts, heldBy, (sizes, held) => {
        const groups = sizes.map((tasks, index) => group(`g${index}`, tasks));
        const ids = groups.map(({ id }) => id);
        const members = held.map((tasks, index) => ({
          ...member(`m${index}`, tasks),
          groups: ids,
        }));
        const given = assignTasks(members, groups, new Map());
        const all = [...given.values()].flat();
        expect(new Set(namesOf(all)).size).toBe(all.length);
        expect(all.length).toBe(sizes.reduce((sum, size) => sum + size, 0));
        for (const { id } of groups) {
          const shares = [...given.values()].map(
            (of) => of.filter((task) => task.group === id).length,
          );
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        }
        const settled = members.map((one) => ({ ...one, held: given.get(one.memberId)! }));
        const again = assignTasks(settled, groups, new Map());
        for (const { memberId } of members) {
          expect(namesOf(again.get(memberId))).toEqual(namesOf(given.get(memberId)));
        }
      }),
      { numRuns: 300 },
    );
  });
});
