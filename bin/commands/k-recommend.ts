// `meanstream k-recommend`: how many clusters the log suggests, with reasons and pictures.

import type { Command } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { RecommendKFlags } from '../run-recommend-k.ts';

export function addRecommendK(program: Command): void {
  withSettings(program.command('k-recommend'))
    .description(
      'score every K up to a largest one on the points so far; recommend one, with reasons',
    )
    .option('--k-max <n>', 'largest K to look at, 2 to 100 (default: 15)')
    .option('--seed <n>', 'of the scoring (default: model.seed)')
    .option(
      '--html <file>',
      'also write a page with a chart of every criterion; refused when it exists',
    )
    .option('--url <url>', 'ask a running dev or gateway (default without Kafka)')
    .option('--data-dir <folder>', 'read the embedded log of a dev that is not running')
    .option('--json', 'print the report as JSON instead of the chart')
    .addHelpText(
      'after',
      `
The log is replayed once, into a small weighted coreset. Six criteria vote: separation, gap, silhouette,
Calinski-Harabasz, Davies-Bouldin, elbow. K = 1 is an answer: there are no clusters.
${example(
  'meanstream k-recommend --html k.html',
  'meanstream k-recommend --k-max 30 --json --set bootstrap.servers=localhost:9092',
)}`,
    )
    .action(recommend);
}

async function recommend(flags: RecommendKFlags): Promise<void> {
  const context = openContext({
    command: 'k-recommend',
    flags,
    defaults: quiet,
    named: { 'model.seed': { flag: '--seed', raw: flags.seed } },
  });
  const { recommendKOnce } = await import('../run-recommend-k.ts');
  await recommendKOnce(context, flags);
}
