// npm run chaos: faults on a real Kafka while points flow, and proof that nothing of them can be seen.
//
//   npm run chaos                       what a change affords (also part of `npm test`), about three minutes
//   npm run chaos -- --nightly          each row on a Kafka of its own, as often as a night affords
//   npm run chaos -- --nightly --part 2/10   the second tenth of a night's rounds
//   npm run chaos -- --rows R1,R4       some rows only
//   npm run chaos -- --seed 7           the same faults in the same order again
//
// Every row ends the same way: all points are taken in, the processors are stopped in order, what came out is read by Kafka's
// own Java consumer (read_committed), and then: 0 lost, 0 repeated, 0 out of order; in = out + dead letters; every
// assignment, delta and model as the single-threaded oracle works it out, bit for bit; every store that any processor has
// left, owner's and standby's, is what its changelog replays to up to the store's own offset, and at the end what the oracle
// says; and no store was emptied but where the row says so. Anything else is a finding, and the exit code is 1.
import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import { rowIds, runChaos, type Verdict } from './chaos.ts';
import { type Part, wholeNight } from './chaos-row.ts';

interface Flags {
  readonly nightly: boolean;
  readonly part: Part;
  readonly seed: number;
  readonly rows: readonly string[];
  readonly report: string;
}

const program = new Command('npm run chaos --')
  .description('Kills, freezes and cuts off processors and brokers, and proves that nothing shows.')
  .option('--nightly', 'as often as a night affords', false)
  .option('--part <i/n>', 'one of n parts of a night', partOf, wholeNight)
  .option('--seed <number>', 'decides faults, order and points', numberOf, Date.now() % 1_000_000)
  .option('--rows <ids>', `some of ${rowIds.join(',')}`, rowsOf, rowIds)
  .option('--report <file>', 'where the JSON goes', 'chaos-report.json')
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}

async function run({ nightly, part, seed, rows, report }: Flags): Promise<void> {
  const startedMs = Date.now();
  const say = (line: string) => {
    const second = Math.round((Date.now() - startedMs) / 1_000);
    process.stderr.write(`${String(second).padStart(5)} s  ${line}\n`);
  };
  say(`seed ${seed}`);
  const verdicts = await runChaos(rows, { nightly, part, seed, say });
  process.stdout.write(`${tableOf(verdicts)}\n`);
  writeFileSync(report, `${JSON.stringify({ seed, nightly, part, verdicts }, null, 2)}\n`);
  const bad = verdicts.filter(({ findings }) => findings.length > 0);
  for (const { id, findings } of bad) {
    for (const finding of new Set(findings)) process.stdout.write(`${id}: ${finding}\n`);
  }
  if (bad.length > 0) {
    const ids = bad.map(({ id }) => id).join();
    const night = nightly ? `--nightly --part ${part.index + 1}/${part.of} ` : '';
    process.stdout.write(`again: npm run chaos -- ${night}--rows ${ids} --seed ${seed}\n`);
  }
  process.exit(bad.length > 0 ? 1 : 0);
}

function tableOf(verdicts: readonly Verdict[]): string {
  const table = new Table({
    head: ['row', 'fault', 'seed', 'done', 'points', 'seconds', 'verdict'],
    colWidths: [5, 26, 9, 44, 9, 9, 12],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { id, fault, seed, counts, proof, seconds, findings, skipped } of verdicts) {
    const done = Object.entries(counts).map(([name, times]) => `${times} ${name}`);
    const verdict = findings.length > 0 ? `${findings.length} findings` : 'nothing shows';
    table.push([
      id,
      fault,
      seed,
      done.join(', '),
      proof?.points ?? '',
      seconds,
      skipped ?? verdict,
    ]);
  }
  return table.toString();
}

function numberOf(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError('it is a whole number from 0.');
}

function partOf(text: string): Part {
  const [part, of] = text.split('/').map(numberOf);
  if (part !== undefined && of !== undefined && part >= 1 && part <= of) {
    return { index: part - 1, of };
  }
  throw new InvalidArgumentError('it is i/n, as 1/10 to 10/10.');
}

function rowsOf(text: string): string[] {
  const rows = text.split(',');
  const unknown = rows.find((row) => !rowIds.includes(row));
  if (unknown === undefined) return rows;
  throw new InvalidArgumentError(`there is no row ${unknown}.`);
}
