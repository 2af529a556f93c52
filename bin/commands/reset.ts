// `meanstream reset`: the application begins anew on the same points.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { ResetFlags } from '../reset/run-reset.ts';

export function addReset(program: Command): void {
  withSettings(program.command('reset'))
    .description('forget what was learned and where reading had come to; keep the points')
    .option('--dry-run', 'show what would be deleted and what kept; change nothing')
    .option('--yes', 'do not ask')
    .option('--outputs', 'delete assignments and dead-letters too')
    .option(
      '--data-dir <folder>',
      'of a dev that is not running (default without Kafka: .meanstream)',
    )
    .addHelpText(
      'after',
      `
For when a setting has changed that needs it (config explain KEY), or a model is beyond repair: the next start reads all
kept points again and learns from nothing, beginning at version 1.0.0. Acts on Kafka when bootstrap.servers is set.
Stop processors, gateways and retrains first; while a processor or dev lives it is refused (exit code 5). Deleted topics
are made again, empty, with the replicas they had.
${example('meanstream reset --dry-run', 'meanstream reset --yes --set bootstrap.servers=localhost:9092')}`,
    )
    .action(reset);
}

async function reset(flags: ResetFlags): Promise<void> {
  const context = openContext({ command: 'reset', flags, defaults: quiet });
  const { runReset } = await import('../reset/run-reset.ts');
  await runReset(context, flags);
}
