// `meanstream retrain-worker`: on as many machines as a retrain should run on.

import type { Command } from 'commander';
import { example, openContext, type SettingFlags, withSettings } from '../command-context.ts';
import { listenForSignals } from '../shutdown.ts';

interface WorkerFlags extends SettingFlags {
  readonly workers?: string;
  readonly once?: boolean;
}

export function addRetrainWorker(program: Command): void {
  withSettings(program.command('retrain-worker'))
    .description('work for retrains that are started elsewhere, until told to stop')
    .option('--workers <n>', 'threads (default: retrain.workers)')
    .option('--once', 'end with the first retrain, or when none begins within retrain.wait.ms')
    .addHelpText(
      'after',
      `
It replays the ranges that a job gives it into segments in retrain.dir and answers for them over Kafka. It may come and go at any
time, also by kill -9: another one answers for its ranges, and the version has the same bits.
${example('meanstream retrain-worker --workers 8 --set bootstrap.servers=localhost:9092')}`,
    )
    .action(work);
}

async function work(flags: WorkerFlags): Promise<void> {
  const named = { 'retrain.workers': { flag: '--workers', raw: flags.workers } } as const;
  const context = openContext({ command: 'retrain-worker', flags, named });
  const shutdown = listenForSignals();
  const { runRetrainWorker } = await import('../run-retrain-worker.ts');
  process.exitCode = await runRetrainWorker(context, flags.once === true, shutdown);
}
