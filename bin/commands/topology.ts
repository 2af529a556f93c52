// `meanstream topology`: the pipeline prints itself.

import type { Command } from 'commander';
import { example, openContext, type SettingFlags, withSettings } from '../command-context.ts';

export function addTopology(program: Command): void {
  withSettings(program.command('topology'))
    .description('print the pipeline: sources, processors, stores and sinks')
    .option('--mermaid', 'as a Mermaid flowchart')
    .addHelpText('after', example('meanstream topology --mermaid'))
    .action(topology);
}

async function topology(flags: SettingFlags & { readonly mermaid?: boolean }): Promise<void> {
  const { settings } = openContext({ command: 'topology', flags });
  const { pipelineOf } = await import('../pipeline.ts');
  const pipeline = pipelineOf(settings);
  process.stdout.write(flags.mermaid ? pipeline.toMermaid() : pipeline.describe());
}
