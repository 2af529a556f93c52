// R1: kill -9 at every named point (support/crash-point.ts), and of whoever is at work. Three processors at once: two of
// them come back again and again, each time armed with the next point to die at; the third is killed at whatever it is
// doing. Then those two points that only a task with stores passes (`fold` and `detect-drift` have one): whoever is to die
// there runs alone, so that it owns them; where the point is in a restore, with an empty state folder.
//
// A change affords 25 kills, two of them at each point; a night 250 with 16 at each.
import { rm } from 'node:fs/promises';
import { type CrashPointName, crashPointNames } from '../../support/index.ts';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, roundsOf, type Scale } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

const ofStores: ReadonlySet<CrashPointName> = new Set(['storing', 'restoring']);
const victims = ['one', 'two'] as const;
const bystander = 'three';
const everybody = [...victims, bystander];

interface Death {
  readonly point: CrashPointName;
  readonly arrival: number;
}

export const killAtPoints: FieldRow = {
  id: 'R1',
  fault: 'kill -9 at named points, and of whoever is at work',
  async run(field: Field, scale: Scale): Promise<Counts> {
    const counts: Counts = {};
    const timesEach = roundsOf(scale, 2, 16).length;
    const timesAtWork = roundsOf(scale, 9, 122).length;
    // Drawn before anybody dies: what is random must not depend on who comes first.
    const deathsAt = (names: readonly CrashPointName[]) =>
      shuffled(
        names.flatMap((name) => Array<CrashPointName>(timesEach).fill(name)),
        field,
      ).map((point) => ({ point, arrival: arrivalOf(point, field) }));
    // Here nobody ever has a megabyte to send ahead; test/kafka-sent-ahead.test.ts has.
    const anywhere = deathsAt(
      crashPointNames.filter((name) => name !== 'sent-ahead' && !ofStores.has(name)),
    );
    const inStores = deathsAt([...ofStores]);
    const pausesMs = Array.from({ length: timesAtWork }, () => field.random.below(500));
    field.startFeeding();
    for (const name of everybody) field.start(name);
    await field.untilAllRun(everybody);
    await Promise.all([
      ...victims.map((name) => dieInTurn(field, name, anywhere, counts)),
      dieAtWork(field, pausesMs, counts),
    ]);
    await goesOn(field, counts);
    await field.stop(bystander);
    for (const [turn, death] of inStores.entries()) {
      const [victim, other] = turn % 2 === 0 ? victims : [victims[1], victims[0]];
      if (field.processors.has(other)) await field.stop(other);
      if (death.point === 'restoring') {
        if (field.processors.has(victim)) await field.stop(victim);
        await rm(field.deployment.stateDirOf(victim), { recursive: true, force: true });
      }
      await dieAt(field, victim, death, counts);
      field.start(victim);
      await field.untilProgress();
    }
    for (const name of everybody) if (!field.processors.has(name)) field.start(name);
    await goesOn(field, counts);
    return counts;
  },
};

/** Takes one point after the other from what is left. */
async function dieInTurn(
  field: Field,
  victim: string,
  left: Death[],
  counts: Counts,
): Promise<void> {
  await field.stop(victim);
  for (let death = left.pop(); death !== undefined; death = left.pop()) {
    await dieAt(field, victim, death, counts);
  }
  field.start(victim);
}

/** It comes back armed; then nothing but the armed point ends it. */
async function dieAt(
  field: Field,
  victim: string,
  { point, arrival }: Death,
  counts: Counts,
): Promise<void> {
  if (field.processors.has(victim)) await field.stop(victim);
  field.say(`${victim} is to die at ${point}:${arrival}`);
  const armed = field.start(victim, {
    environment: { MEANSTREAM_TEST_CRASH_POINT: `${point}:${arrival}` },
  });
  await eventually(
    `${victim} dies at ${point}:${arrival}`,
    () => !armed.process.running,
    patienceMs,
  );
  const how = await field.kill(victim);
  if (how !== 'SIGKILL') field.find(`${victim} ended with ${how} instead of dying at ${point}`);
  count(counts, point);
}

async function dieAtWork(field: Field, pausesMs: readonly number[], counts: Counts): Promise<void> {
  for (const pauseMs of pausesMs) {
    await field.untilWorks(bystander);
    await sleep(pauseMs);
    field.say(`${bystander} is killed at work`);
    await field.kill(bystander);
    count(counts, 'killed at work');
    field.start(bystander);
  }
}

/** How long it takes is told, not judged: that depends on the machine. */
async function goesOn(field: Field, counts: Counts): Promise<void> {
  const startedMs = Date.now();
  await field.untilAllRun();
  await field.untilProgress();
  const seconds = (Date.now() - startedMs) / 1_000;
  const name = 'seconds until all ran again';
  counts[name] = Math.max(counts[name] ?? 0, Math.round(10 * seconds) / 10);
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
