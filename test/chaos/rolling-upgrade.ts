// R6: three processors go from this release to the next and back, one at a time, while points flow: so both releases are in
// one group, each leads it for a while, and tasks and standbys move between them. The next release reads another schema of
// the store of drift, which has to be rebuilt on the way, there and back; no other store may be.

import { sleep } from '../support/meanstream-process.ts';
import { nextRelease } from '../support/next-release.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';

const names = ['one', 'two', 'three'] as const;
/** Both releases side by side, a night five minutes. */
const mixedMs = 3_000;
const mixedMsNightly = 300_000;

export const rollingUpgrade: FieldRow = {
  id: 'R6',
  fault: 'rolling upgrade and downgrade, mixed releases, a store of another schema',
  async run(field, scale) {
    const { nightly } = scale;
    const counts: Counts = {};
    const { program, remove } = nextRelease();
    const rebuilt = field.expectLines(/Store drift has schema [12] where [12] is read/);
    try {
      field.startFeeding();
      for (const name of [...field.processors.keys()]) await field.stop(name);
      for (const name of names) field.start(name);
      await field.untilAllRun();
      for (const _ of roundsOf(scale, 1, 5)) {
        for (const step of ['upgraded', 'downgraded'] as const) {
          for (const [turn, name] of names.entries()) {
            await field.stop(name);
            field.start(name, step === 'upgraded' ? { program } : {});
            await field.untilAllRun();
            await field.untilProgress();
            count(counts, step);
            if (turn === 0) await sleep(nightly ? mixedMsNightly : mixedMs);
          }
        }
      }
      for (const name of names) await field.stop(name);
    } finally {
      remove();
    }
    counts['rebuilt for another schema'] = rebuilt();
    if (rebuilt() < 2) field.find(`a store of another schema was rebuilt ${rebuilt()} times`);
    return counts;
  },
};
