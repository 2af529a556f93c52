// R1: kill -9 at every named point (support/crash-point.ts). Two processors are kept alive; each start is armed with the
// next point to die at, by a kill at whatever it is doing. A change affords each point once (16 kills), a night 16 times. Where a point is only passed when tasks change
// hands or are restored, the start itself brings it about, the second by an empty state folder.
import { rm } from 'node:fs/promises';
import { type CrashPointName, crashPointNames } from '../../support/index.ts';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, type Scale } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

/** Points only a task's own stores pass, and only `fold` and `detect-drift` have one: whoever dies there must own them. */
const ofStores: ReadonlySet<CrashPointName> = new Set(['storing', 'restoring']);

export const killAtPoints: FieldRow = {
  id: 'R1',
  fault: 'kill -9 at named points',
  async run(field: Field, { nightly }: Scale): Promise<Counts> {
    const counts: Counts = {};
    const kills = shuffled(
      crashPointNames.flatMap((name) => Array<CrashPointName>(nightly ? 16 : 1).fill(name)),
      field,
    );
    field.startFeeding();
    field.start('one');
    field.start('two');
    await field.untilAllRun(['one', 'two']);
    for (const [turn, point] of kills.entries()) {
      const victim = turn % 2 === 0 ? 'one' : 'two';
      await dieAt(field, point, victim, counts);
    }
    await field.untilAllRun(['one', 'two']);
    return counts;
  },
};

/** The victim goes in order and comes back armed; then nothing but the armed point ends it. */
async function dieAt(
  field: Field,
  point: CrashPointName,
  victim: string,
  counts: Counts,
): Promise<void> {
  const survivor = victim === 'one' ? 'two' : 'one';
  if (ofStores.has(point)) {
    // The tasks with stores are where they were: so both go, and the victim takes all of them alone.
    await field.stop(survivor);
  }
  if (field.processors.has(victim)) await field.kill(victim);
  count(counts, 'killed while busy');
  if (point === 'restoring') {
    await rm(field.deployment.stateDirOf(victim), { recursive: true, force: true });
  }
  const arrival = arrivalOf(point, field);
  field.say(`${victim} is to die at ${point}:${arrival}`);
  const armed = field.start(victim, {
    environment: { MEANSTREAM_TEST_CRASH_POINT: `${point}:${arrival}` },
  });
  await eventually(
    `${victim} dies at ${point}:${arrival}`,
    () => !armed.process.running,
    patienceMs,
  );
  const how = await armed.process.end();
  if (how !== 'SIGKILL') field.find(`${victim} ended with ${how} instead of dying at ${point}`);
  count(counts, point);
  field.processors.delete(victim);
  field.start(victim);
  if (!field.processors.has(survivor)) field.start(survivor);
  await sleep(field.random.below(200));
  await field.untilProgress();
}

/** Some are passed once a start, some again and again. */
function arrivalOf(point: CrashPointName, field: Field): number {
  if (point === 'restoring' || point === 'rebalancing') return 1;
  return 1 + field.random.below(8);
}

function shuffled<T>(items: readonly T[], { random }: Field): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}
