// `meanstream challengers`: models with other parameters beside the one in use, as a table.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { ChallengersFlags } from '../run-challengers.ts';

export function addChallengers(program: Command): void {
  withSettings(program.command('challengers'))
    .description('compare other half-lives and Ks, run beside the model on the live stream')
    .option('--url <url>', 'of a running dev or gateway (default without Kafka)')
    .option('--data-dir <folder>', 'read the embedded log of a dev that is not running')
    .option('--json', 'print the comparison as JSON')
    .addHelpText(
      'after',
      `
Which ones run is the setting challengers.list, of processors and \`dev\`. Each point is scored before it is learned. The first row
is the baseline: the parameters in use, learned from the same sample.
${example('meanstream dev --set "challengers.list=k=6,k=10,half.life=2000 points"', 'meanstream challengers')}`,
    )
    .action(async (flags: ChallengersFlags) => {
      const context = openContext({ command: 'challengers', flags, defaults: quiet });
      const { showChallengers } = await import('../run-challengers.ts');
      await showChallengers(context, flags);
    });
}
