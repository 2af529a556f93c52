// `meanstream retrain-worker`: workers for retrains that are coordinated elsewhere.

import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import type { ExitCode } from './exit-codes.ts';
import { openKafka } from './open-broker.ts';
import { RetrainWorkers } from './retrain-workers.ts';
import { aborted, type Shutdown } from './shutdown.ts';

export async function runRetrainWorker(
  context: CommandContext,
  once: boolean,
  shutdown: Shutdown,
): Promise<ExitCode> {
  const broker = await openKafka(context);
  try {
    await requireTopics(context, broker);
  } finally {
    await broker.close();
  }
  const threads = Math.max(1, context.settings['retrain.workers']);
  const workers = await RetrainWorkers.start(context, threads, once);
  try {
    context.logger.info({ threads }, 'waiting for retrains');
    await Promise.race([aborted(shutdown.signal), workers.ended, workers.failed]);
  } finally {
    await workers.stop();
  }
  return shutdown.exitCode();
}
