// `meanstream dev`: everything in one process on this machine, with a real data set streaming through.

import { type Command, InvalidArgumentError } from 'commander';
import { example, openContext, withSettings } from '../command-context.ts';
import type { DevFlags } from '../dev/run-dev.ts';
import { listenForSignals } from '../shutdown.ts';

const retrainSchedule = '*/5 * * * *';
/** A demo that runs for days must not fill the disk: 256 MiB a partition are some millions of points. */
const retentionBytes = 268_435_456;

export function addDev(program: Command): void {
  withSettings(program.command('dev'))
    .description('embedded log, processors, gateway and dashboard in one process, with a demo')
    .option('--port <port>', 'of the dashboard and the API (default: 8080)')
    .option('--data-dir <folder>', 'where the log and the state are kept', '.meanstream')
    .option('--no-demo', 'stream nothing; wait for your points')
    .option('--demo-rate <n>', 'points a second of the demo', rate, 2_000)
    .addHelpText(
      'after',
      `
Needs no Kafka, Docker or Java. Listens on 127.0.0.1 only, unless http.host says otherwise. The embedded log is for
development and small single-node use. Ctrl-C stops after committing what is in hand; the next start goes on from there.
${example('meanstream dev --port 8081 --no-demo')}`,
    )
    .action(dev);
}

async function dev(flags: DevFlags): Promise<void> {
  const context = openContext({
    command: 'dev',
    flags,
    named: { 'http.port': { flag: '--port', raw: flags.port } },
    defaults: {
      'retrain.schedule': retrainSchedule,
      'topics.retention.bytes': retentionBytes,
    },
  });
  const shutdown = listenForSignals();
  const { runDev } = await import('../dev/run-dev.ts');
  process.exitCode = await runDev(context, flags, shutdown);
}

function rate(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a number above 0.');
  }
  return value;
}
