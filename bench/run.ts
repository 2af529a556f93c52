// npm run bench: one bench or more by name; without a name it says which there are.

import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { assignBench } from './assign.bench.ts';
import type { Bench } from './bench.ts';
import { codecBench } from './codec.bench.ts';
import { embeddedBench } from './embedded.bench.ts';
import { fullBatchBench } from './full-batch.bench.ts';
import { kernelsBench } from './kernels.bench.ts';
import { latencyBench } from './latency.bench.ts';
import { packageRoot } from './paths.ts';
import { pipelineBench } from './pipeline.bench.ts';
import { machine, tableOf, writeResults } from './report.ts';
import { restoreBench } from './restore.bench.ts';
import { retrainBench } from './retrain.bench.ts';
import { retrainSimulationBench } from './retrain-simulation.bench.ts';
import { retrainSparkBench } from './retrain-spark.bench.ts';
import { soakBench } from './soak.bench.ts';

const benches: readonly Bench[] = [
  assignBench,
  codecBench,
  embeddedBench,
  fullBatchBench,
  kernelsBench,
  latencyBench,
  pipelineBench,
  restoreBench,
  retrainBench,
  retrainSimulationBench,
  retrainSparkBench,
  soakBench,
];

interface Flags {
  readonly smoke: boolean;
  readonly n?: number;
  readonly minutes?: number;
  readonly rate?: number;
  readonly case?: string;
  readonly results?: string;
}

const program = new Command('npm run bench --')
  .description('Measures speed. Ratios compare within one run; above 1 ours is better.')
  .argument('[names...]', 'which benches; without one: what there is')
  .option('--smoke', 'tiny sizes, to see that it runs; the numbers mean nothing', false)
  .option('--n <count>', 'records, points or rows per run', countOf)
  .option('--minutes <minutes>', 'how long `soak` goes on', countOf)
  .option('--rate <rate>', 'points a second of `soak`', countOf)
  .option(
    '--case <text>',
    'of `pipeline`: only the case of this name, or with this in it; others in NAME.json stay if of this commit',
  )
  .option(
    '--results <folder>',
    'where NAME.json goes (default bench/results; with --smoke nowhere)',
  )
  .addHelpText('after', `\n${list()}\n\nExample:\n  npm run bench -- codec --n 200000`)
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function run(names: readonly string[], flags: Flags): Promise<void> {
  if (names.length === 0) return write(`${list()}\n\nExample: npm run bench -- codec`);
  const wanted = names.map(benchNamed);
  write(machine());
  for (const bench of wanted) await measure(bench, flags);
}

async function measure(bench: Bench, flags: Flags): Promise<void> {
  const { results, case: only, ...options } = flags;
  write(`\n${bench.name}: ${bench.question}`);
  const rows = await bench.run({
    ...{ n: undefined, minutes: undefined, rate: undefined, only, ...options },
    say: (line) => process.stderr.write(`  ${line}\n`),
  });
  write(tableOf(rows));
  const folder = results ?? (flags.smoke ? undefined : join(packageRoot, 'bench', 'results'));
  if (folder === undefined) return;
  const written = writeResults(bench.name, rows, folder, { keepOthers: only !== undefined });
  write(`written to ${written}`);
}

function benchNamed(name: string): Bench {
  const bench = benches.find((each) => each.name === name);
  if (bench === undefined) throw new Error(`There is no bench "${name}".\n${list()}`);
  return bench;
}

function list(): string {
  return benches.map(({ name, question }) => `  ${name.padEnd(10)} ${question}`).join('\n');
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new InvalidArgumentError('it is a whole number from 1.');
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}
