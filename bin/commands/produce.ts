// `meanstream produce FILE`: the rows of a file become points, with progress, at a rate, and resumable.

import { type Command, InvalidArgumentError } from 'commander';
import {
  defaultGatewayUrl,
  example,
  openContext,
  quiet,
  withSettings,
} from '../command-context.ts';
import type { ProduceFlags } from '../produce-file.ts';
import { listenForSignals } from '../shutdown.ts';

export function addProduce(program: Command): void {
  withSettings(program.command('produce <file>'))
    .description('send the rows of a CSV or NDJSON file (gzip or not; - is stdin) as points')
    .option('--format <format>', 'csv or ndjson (default: by the file name)', format)
    .option('--delimiter <character>', 'between CSV cells (default: a comma; a tab for .tsv)')
    .option('--key-column <name>', 'the column that is the key (default: file name and row)')
    .option('--ignore-column <name>', 'a column that is no feature; may be given again', collect)
    .option('--rate <n>', 'points a second (default: as fast as they are taken)', positive)
    .option('--resume', 'go on where an earlier run of this file stopped')
    .option(
      '--url <url>',
      `of a running dev or gateway (default without Kafka: ${defaultGatewayUrl})`,
    )
    .option('--json', 'print the totals as JSON')
    .addHelpText(
      'after',
      `
Writes to Kafka when bootstrap.servers is set, each row exactly once, also over a crash with --resume. Without it,
posts to a running \`meanstream dev\` or to --url: there a crash may repeat the batch in hand.
${example('meanstream produce points.csv --key-column id --ignore-column label --rate 1000')}`,
    )
    .action(produce);
}

async function produce(file: string, flags: ProduceFlags): Promise<void> {
  const context = openContext({ command: 'produce', flags, defaults: quiet });
  const { produceFile } = await import('../produce-file.ts');
  process.exitCode = await produceFile(context, file, flags, listenForSignals());
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a number above 0.');
  }
  return value;
}

function format(text: string): 'csv' | 'ndjson' {
  if (text !== 'csv' && text !== 'ndjson') {
    throw new InvalidArgumentError('It must be csv or ndjson.');
  }
  return text;
}
