// Runs the retrains that schedule, points, drift and POST /v1/retrains ask for: inside `dev`, and as `meanstream retrain --serve`.

import type { Broker } from '../broker/index.ts';
import { RetrainRunner } from '../jobs/index.ts';
import { Metrics } from '../support/index.ts';
import { startArchiving } from './archive-versions.ts';
import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import type { ExitCode } from './exit-codes.ts';
import { openKafka } from './open-broker.ts';
import { phaseOf, reportText, retrain } from './run-retrain.ts';
import { aborted, type Shutdown } from './shutdown.ts';

/** Started; of all that there are for an application one works, the others stand by. It archives versions, too. */
export async function retrainRunnerOf(
  context: CommandContext,
  { broker, metrics }: { readonly broker: Broker; readonly metrics: Metrics },
): Promise<{ readonly stop: () => Promise<void> }> {
  const { settings, clock, logger } = context;
  const runner = new RetrainRunner({
    ...{ broker, clock, logger },
    application: settings['application.id'],
    instanceId: settings['group.instance.id'],
    sessionTimeoutMs: settings['session.timeout.ms'],
    run: async ({ k, reason, requestedBy }, { onProgress, write, signal }) => {
      const report = await retrain(context, {
        ...{ broker, metrics, k, reason, requestedBy, promote: true, write, signal },
        onProgress: (progress) => onProgress(phaseOf(progress)),
      });
      logger.info({ version: report.version, parent: report.parent }, reportText(report));
      return report;
    },
  });
  await runner.start();
  const archiving = await startArchiving(context, broker, () => runner.isLeader);
  return {
    async stop() {
      await archiving.stop();
      await runner.stop();
    },
  };
}

export async function serveRetrains(
  context: CommandContext,
  shutdown: Shutdown,
): Promise<ExitCode> {
  const broker = await openKafka(context);
  let runner: Awaited<ReturnType<typeof retrainRunnerOf>> | undefined;
  try {
    await requireTopics(context, broker);
    runner = await retrainRunnerOf(context, { broker, metrics: new Metrics() });
    context.logger.info({}, 'waiting for retrains to be asked for');
    await aborted(shutdown.signal);
  } finally {
    await runner?.stop();
    await broker.close();
  }
  return shutdown.exitCode();
}
