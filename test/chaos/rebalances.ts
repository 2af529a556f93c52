// R5: one to four processors join, leave and crash while points flow. A change affords one round (8 joins, leaves and
// crashes), a night 38. Every state has a standby. How long a partition stands still while somebody leaves in order is told,
// not judged: that depends on the machine. (Points come every 100 ms, and a commit may take as long: less cannot be seen.)
import { sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import type { Field } from './field.ts';

const names = ['one', 'two', 'three', 'four'] as const;

export const rebalances: FieldRow = {
  id: 'R5',
  fault: 'join, leave and crash of 1 to 4 processors',
  async run(field, scale) {
    const counts: Counts = {};
    field.startFeeding();
    for (const _ of roundsOf(scale, 1, 38)) await oneRound(field, counts);
    await field.untilAllRun();
    return counts;
  },
};

async function oneRound(field: Field, counts: Counts): Promise<void> {
  const missing = names.filter((name) => !field.processors.has(name));
  for (const name of missing) {
    field.start(name);
    count(counts, 'joins');
  }
  await field.untilAllRun();
  const [leaver, crasher, third] = shuffledNames(field);
  const pauseMs = await field.longestPauseMs(async () => {
    await field.stop(third!);
    await field.untilAllRun();
  });
  const name = 'ms a partition stood still at a leave';
  counts[name] = Math.max(counts[name] ?? 0, Math.round(pauseMs));
  count(counts, 'leaves');
  field.start(third!);
  count(counts, 'joins');
  await field.untilAllRun();
  await Promise.all([field.stop(leaver!), field.kill(crasher!)]);
  count(counts, 'leaves');
  count(counts, 'crashes');
  await sleep(field.random.below(300));
  field.start(crasher!);
  count(counts, 'joins');
  await field.untilAllRun();
  await field.kill(third!);
  count(counts, 'crashes');
  field.start(leaver!);
  field.start(third!);
  count(counts, 'joins', 2);
  await field.untilAllRun();
  await field.untilProgress();
}

function shuffledNames({ random }: Field): string[] {
  const left: string[] = [...names];
  return names.map(() => left.splice(random.below(left.length), 1)[0]!);
}
