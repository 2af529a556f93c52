// R9: processes whose wall clock is wrong: an hour ahead, an hour behind, twice as fast, running backwards, and stepping an
// hour forth and back. Their own Date.now() is replaced before anything of ours is loaded, in every thread; what nobody can
// set, the monotonic clock, stays. Nothing that comes out may depend on it: the oracle has no clock at all.
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import type { Field } from './field.ts';

const hourMs = 3_600_000;

/** What each clock shows, as source text: `real` is the time of day, `since` milliseconds since the process began. */
const clocks: readonly (readonly [name: string, shows: string])[] = [
  ['ahead', `real + ${hourMs}`],
  ['behind', `real - ${hourMs}`],
  ['fast', 'real + since'],
  ['backwards', 'real - 2 * since'],
  ['stepping', `real + (since % 700 < 350 ? ${hourMs} : -${hourMs})`],
];

export const falseClocks: FieldRow = {
  id: 'R9',
  fault: 'clock: ± 1 h, twice as fast, backwards, stepping',
  async run(field, scale) {
    const counts: Counts = {};
    field.startFeeding();
    for (const name of [...field.processors.keys()]) await field.stop(name);
    for (const _ of roundsOf(scale, 1, 10)) {
      for (const [name, shows] of clocks) {
        field.start(name, { environment: { NODE_OPTIONS: preloaded(shows) } });
        count(counts, name);
      }
      // Each has a task, and takes over from clocks that are wrong in another way.
      for (const [name] of clocks) await field.untilWorks(name);
      await field.untilProgress();
      const [killed, stopped] = drawn(field);
      await Promise.all([field.kill(killed!), field.stop(stopped!)]);
      await field.untilAllRun();
      await field.untilProgress();
      await Promise.all([...field.processors.keys()].map((name) => field.stop(name)));
    }
    return counts;
  },
};

/** Their names in an order of the seed. */
function drawn({ random }: Field): string[] {
  const left = clocks.map(([name]) => name);
  return clocks.map(() => left.splice(random.below(left.length), 1)[0]!);
}

function preloaded(shows: string): string {
  const source = `
    const now = Date.now.bind(Date);
    const startedMs = now();
    Date.now = () => {
      const real = now();
      const since = real - startedMs;
      return ${shows};
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}
