import { expect, it } from 'vitest';
import { assignTasks, type TaskShare, taskKey } from './task-assignment.ts';

const groups: TaskShare[] = [
  { id: 'assign', partitions: 8 },
  { id: 'fold', partitions: 1 },
  { id: 'drift', partitions: 1 },
];

const member = (instanceId: string, memberId = instanceId) => ({
  memberId,
  instanceId,
  taskGroups: new Set(groups.map(({ id }) => id)),
});

type Owners = Map<string, { memberId: string; instanceId: string }>;

function deal(members: ReturnType<typeof member>[], owners: Owners = new Map()) {
  const assigned = assignTasks(groups, members, owners);
  for (const { memberId, instanceId } of members) {
    for (const task of assigned.get(memberId)!) {
      owners.set(taskKey(task), { memberId, instanceId });
    }
  }
  const of = (memberId: string) => assigned.get(memberId)!.map(taskKey).sort();
  return { of, owners };
}

it('gives every task to one member, each task group evenly', () => {
  const members = ['a', 'b', 'c'].map((id) => member(id));
  const { of } = deal(members);
  const all = members.flatMap(({ memberId }) => of(memberId));
  expect(new Set(all).size).toBe(10);
  const heavy = members.map(({ memberId }) => of(memberId).filter((t) => t.startsWith('assign')));
  expect(heavy.map((tasks) => tasks.length).sort()).toEqual([2, 3, 3]);
  const totals = members.map(({ memberId }) => of(memberId).length).sort();
  expect(totals[2]! - totals[0]!).toBeLessThanOrEqual(1);
});

it('takes from a lone member only what the new one needs', () => {
  const { owners } = deal([member('a')]);
  const { of } = deal([member('a'), member('b')], owners);
  expect(of('a').length).toBe(5);
  expect(of('b').filter((task) => task.startsWith('assign'))).toHaveLength(4);
});

it('gives a restarted instance its tasks back', () => {
  const { of, owners } = deal([member('a'), member('b')]);
  const before = of('b');
  deal([member('a')], owners);
  const still: Owners = new Map(owners);
  for (const task of before) still.set(task, { memberId: 'b', instanceId: 'b' });
  const { of: after } = deal([member('a'), member('b', 'b-2')], still);
  expect(after('b-2')).toEqual(before);
});

it('leaves everybody what they have when nobody came or went', () => {
  const members = ['a', 'b', 'c'].map((id) => member(id));
  const first = deal(members);
  const second = deal([...members].reverse(), new Map(first.owners));
  for (const { memberId } of members) expect(second.of(memberId)).toEqual(first.of(memberId));
});
