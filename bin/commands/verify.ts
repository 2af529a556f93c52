// `meanstream verify [version]`: recompute versions from the log and compare them bit for bit.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { VerifyFlags } from '../run-verify.ts';

export function addVerify(program: Command): void {
  withSettings(program.command('verify [version]'))
    .description('recompute a version (default: all) from the log and compare it bit for bit')
    .option('--data-dir <folder>', 'the embedded log of a dev that is not running, not Kafka')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
Every delta on the way is recomputed from its points and the version it names, every epoch folded again, every retrain fitted again.
What differs is named: which delta or version, which cluster, which coordinate. Exit code 4 when something does.
Artifacts are read whole, so that a flipped bit in one is found, too. Needs the settings the deployment runs with, and points and deltas
from the first on; once retention has begun, only retrained versions are made again, from their range, parent and coreset.
${example('meanstream verify 1.1.0 --set bootstrap.servers=localhost:9092')}`,
    )
    .action(async (version: string | undefined, flags: VerifyFlags) => {
      const context = openContext({ command: 'verify', flags, defaults: quiet });
      const { verifyOnce } = await import('../run-verify.ts');
      await verifyOnce(context, version, flags);
    });
}
