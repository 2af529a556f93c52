// R2: SIGSTOP until the group has given the tasks away, and as long again, then SIGCONT: a process that wakes up in the
// middle of a transaction that is no longer its own. What it commits after that would be repeated, and found.
import { eventually, sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import { patienceMs, sessionTimeoutMs } from './field.ts';

const pairs = [['one', 'two'], ['three']] as const;

export const zombies: FieldRow = {
  id: 'R2',
  fault: 'SIGSTOP for twice the session, then SIGCONT',
  async run(field, scale) {
    const counts: Counts = {};
    const names = pairs.flat();
    field.startFeeding();
    for (const name of names) if (!field.processors.has(name)) field.start(name);
    await field.untilAllRun(names);
    // A change affords 3 zombies, a night 51.
    for (const _ of roundsOf(scale, 1, 17)) {
      for (const sleepers of pairs) {
        const awake = names.filter((name) => !sleepers.some((it) => it === name));
        await sleep(field.random.below(200));
        for (const name of sleepers) process.kill(field.at(name).process.pid, 'SIGSTOP');
        await Promise.all([field.untilAllRun(awake), sleep(2 * sessionTimeoutMs)]);
        for (const name of sleepers) process.kill(field.at(name).process.pid, 'SIGCONT');
        for (const name of sleepers) {
          await eventually(`${name} has tasks again`, () => field.works(name), patienceMs);
          count(counts, 'zombies');
        }
      }
    }
    return counts;
  },
};
