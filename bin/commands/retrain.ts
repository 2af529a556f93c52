// `meanstream retrain`: replay the log, fit, publish a version, promote it.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { RetrainFlags } from '../run-retrain.ts';

export function addRetrain(program: Command): void {
  withSettings(program.command('retrain'))
    .description('fit all points so far from the log, publish the version, promote it if no worse')
    .option(
      '--k <n>',
      'number of clusters, or `auto` for the recommended one (default: as the current model)',
    )
    .option('--seed <n>', 'of the fit (default: model.seed)')
    .option('--no-promote', 'publish a candidate only')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Against Kafka, while points flow: the version is taken over between two transactions, nothing is lost or repeated.
\`dev\` retrains by itself every retrain.interval.ms.
${example('meanstream retrain --set bootstrap.servers=localhost:9092')}`,
    )
    .action(retrain);
}

async function retrain(flags: RetrainFlags): Promise<void> {
  const context = openContext({
    command: 'retrain',
    flags,
    defaults: quiet,
    named: {
      'model.k': { flag: '--k', raw: flags.k === 'auto' ? undefined : flags.k },
      'model.seed': { flag: '--seed', raw: flags.seed },
    },
  });
  const { retrainOnce } = await import('../run-retrain.ts');
  await retrainOnce(context, flags);
}
