import { expect, it } from 'vitest';
import { RangeSchedule } from './range-schedule.ts';

const schedule = (ranges: number, workers: readonly string[]): RangeSchedule => {
  const made = new RangeSchedule({ ranges, timeoutMs: 10_000 });
  for (const worker of workers) made.heard(worker, 0);
  return made;
};
const countOf = (owners: readonly string[], worker: string): number =>
  owners.filter((owner) => owner === worker).length;

it('deals ranges evenly, and every one to its owner again', () => {
  const made = schedule(7, ['a', 'b', 'c']);
  const owners = made.beginStep(0);
  expect(['a', 'b', 'c'].map((worker) => countOf(owners, worker)).sort()).toEqual([2, 2, 3]);
  for (const [range, owner] of owners.entries()) expect(made.answered(range, owner, 10)).toBe(true);
  expect(made.isComplete).toBe(true);
  expect(made.beginStep(20)).toEqual(owners);
});

it('gives what a dead worker owes to the others', () => {
  const made = schedule(4, ['a', 'b']);
  const owners = made.beginStep(0);
  const ofA = [...owners.keys()].filter((range) => owners[range] === 'a');
  made.heard('b', 10_500);
  expect(made.decide(10_500)).toEqual([{ worker: 'b', ranges: ofA }]);
  expect(made.decide(10_501)).toEqual([]);
  for (const range of owners.keys()) made.answered(range, 'b', 10_600);
  expect(made.beginStep(10_700)).toEqual(['b', 'b', 'b', 'b']);
});

it('gives the last range of a late worker to an idle one, and lets the first answer own it', () => {
  const made = schedule(8, ['a', 'b']);
  const owners = made.beginStep(0);
  const of = (worker: string) => [...owners.keys()].filter((range) => owners[range] === worker);
  for (const [i, range] of of('b').entries()) made.answered(range, 'b', 1_000 * (i + 1));
  made.answered(of('a')[0]!, 'a', 4_000);
  expect(made.decide(5_400)).toEqual([]);
  const last = of('a').at(-1)!;
  expect(made.decide(5_600)).toEqual([{ worker: 'b', ranges: [last] }]);
  expect(made.answered(last, 'b', 6_000)).toBe(true);
  expect(made.answered(last, 'a', 6_001)).toBe(false);
  for (const range of of('a')) made.answered(range, 'a', 6_100);
  expect(countOf(made.beginStep(6_200), 'b')).toBe(5);
});

it('gives a newcomer its share at the next step, and one that was late none', () => {
  const made = schedule(6, ['a']);
  made.beginStep(0);
  for (let range = 0; range < 6; range++) made.answered(range, 'a', 100 * (range + 1));
  made.heard('b', 700);
  const owners = made.beginStep(700);
  expect(countOf(owners, 'b')).toBe(3);
});

it('lets ranges wait until there is a worker at all', () => {
  const made = new RangeSchedule({ ranges: 2, timeoutMs: 100 });
  expect(made.beginStep(0)).toEqual(['', '']);
  expect(made.decide(10)).toEqual([]);
  made.heard('a', 20);
  expect(made.decide(20)).toEqual([{ worker: 'a', ranges: [0, 1] }]);
});
