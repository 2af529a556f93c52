// `meanstream retrain`: replay the log, fit, publish a version, promote it.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import { usageError } from '../exit-codes.ts';
import type { RetrainFlags } from '../run-retrain.ts';
import { listenForSignals } from '../shutdown.ts';

export function addRetrain(program: Command): void {
  withSettings(program.command('retrain'))
    .description('fit all points so far from the log, publish the version, promote it if no worse')
    .option(
      '--k <n>',
      'number of clusters, or `auto` for the recommended one (default: as the current model)',
    )
    .option('--seed <n>', 'of the fit (default: model.seed)')
    .option('--no-promote', 'publish a candidate only')
    .option(
      '--serve',
      'stay, and run the retrains that schedule, points, drift and the API ask for',
    )
    .option('--workers <n>', 'threads of this process that work on it (default: retrain.workers)')
    .option('--history <what>', '`coreset` or `log` (default: retrain.history)')
    .option('--in-memory', 'in the memory of this process, without workers')
    .option('--cancel', 'end the retrain that is under way, wherever it runs')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Coordinates workers of its own and every \`meanstream retrain-worker\` of this deployment; they meet only at Kafka's topics. Killed, it
is started again and goes on where it was; Ctrl-C cancels it. The same range and seed give the same bits on any number of workers.

Against Kafka, while points flow: the version is taken over between two transactions, nothing is lost or repeated.

With --serve it waits for requests on model-commands instead: of retrain.schedule, retrain.every.points and retrain.on.drift, and of
POST /v1/retrains. Any number of processes may serve; one coordinates at a time, with workers as above, and the next goes on where
it was. \`dev\` serves by itself. DELETE /v1/retrains/{id}, or --cancel, ends a job that was asked for. While some process serves, a
retrain by hand is refused (exit code 5): ask for it by POST /v1/retrains.
${example(
  'meanstream retrain --set bootstrap.servers=localhost:9092',
  'meanstream retrain --serve --set bootstrap.servers=localhost:9092',
)}`,
    )
    .action(retrain);
}

async function retrain(flags: RetrainFlags & { readonly serve?: boolean }): Promise<void> {
  if (flags.serve) return serve(flags);
  const context = openContext({
    command: 'retrain',
    flags,
    defaults: quiet,
    named: {
      'model.k': { flag: '--k', raw: flags.k === 'auto' ? undefined : flags.k },
      'model.seed': { flag: '--seed', raw: flags.seed },
      'retrain.workers': { flag: '--workers', raw: flags.workers },
      'retrain.history': { flag: '--history', raw: flags.history },
    },
  });
  if (flags.cancel) {
    const { cancelRetrain } = await import('../run-retrain.ts');
    return cancelRetrain(context);
  }
  const shutdown = listenForSignals();
  const { retrainOnce } = await import('../run-retrain.ts');
  await retrainOnce(context, flags, shutdown);
}

async function serve(flags: RetrainFlags): Promise<void> {
  if (flags.k !== undefined || flags.seed !== undefined || !flags.promote || flags.json) {
    throw usageError(
      '--serve takes what to do from the requests; leave --k, --seed, --no-promote and --json out.',
    );
  }
  const context = openContext({ command: 'retrain', flags });
  const shutdown = listenForSignals();
  const { serveRetrains } = await import('../serve-retrains.ts');
  process.exitCode = await serveRetrains(context, shutdown);
}
