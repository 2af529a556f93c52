// The short form of `npm run chaos` (run.ts says what a row must prove): 25 kills, two at each named point, 3 zombies, 9 joins,
// leaves and crashes, 13 network faults, 3 upgrades and downgrades, 5 false clocks, a node stopped and one killed,
// one outage of the dead letters, 20 damages to files, 200 histories of aborted transactions, one overload of each kind.
import { describe, expect, it } from 'vitest';
import { ownKafkaMissing } from '../support/kafka-cluster.ts';
import { runChaos } from './chaos.ts';
import { wholeNight } from './chaos-row.ts';

const seed = Date.now() % 1_000_000;
const timeoutMs = 1_800_000;
const missing = ownKafkaMissing();
const said: string[] = [];
const say = (line: string) => void said.push(line);

async function findingsOf(rows: readonly string[]): Promise<string[]> {
  const verdicts = await runChaos(rows, { seed, nightly: false, part: wholeNight, say });
  expect(verdicts.map(({ id }) => id)).toEqual(rows);
  return verdicts.flatMap(({ id, findings }) => findings.map((it) => `${id}: ${it}`));
}

describe(`chaos (seed ${seed})`, () => {
  it.skipIf(missing !== undefined).each([
    [
      'kills, zombies, rebalances, an upgrade, a bad network, false clocks and a full disk',
      ['R1', 'R2', 'R5', 'R6', 'R4', 'R9', 'R8'],
    ],
    ['brokers that stop and die, and dead letters that are down', ['R3', 'R13']],
    ['transactions that overlap and abort', ['R16']],
    ['five times as much as can be taken', ['R10']],
  ])(
    `nothing shows of %s${missing ? ` (skipped: ${missing})` : ''}`,
    async (_name, rows) => {
      expect(await findingsOf(rows)).toEqual([]);
    },
    timeoutMs,
  );

  it(
    'nothing shows of damaged state',
    async () => {
      expect(await findingsOf(['R7'])).toEqual([]);
    },
    timeoutMs,
  );
});
