// Runs the retrains that schedule, points, drift and POST /v1/retrains ask for: inside `dev`, and as `meanstream retrain --serve`.
//
// On Kafka a job is what it is by hand: this process coordinates threads of its own and every `meanstream retrain-worker`. The
// embedded log is for one process, and a job on it is one in memory, as by `meanstream retrain --in-memory`.

import type { Broker } from '../broker/index.ts';
import {
  type RetrainHooks,
  type RetrainReport,
  RetrainRunner,
  type RunRetrainCommand,
  type TeamOptions,
} from '../jobs/index.ts';
import { Metrics } from '../support/index.ts';
import { startArchiving } from './archive-versions.ts';
import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import type { ExitCode } from './exit-codes.ts';
import { openKafka } from './open-broker.ts';
import { RetrainWorkers } from './retrain-workers.ts';
import { phaseOf, reportText, retrain, teamOf } from './run-retrain.ts';
import { aborted, type Shutdown } from './shutdown.ts';

interface RunnerParts {
  readonly broker: Broker;
  readonly metrics: Metrics;
}

/** Started; of all that there are for an application one works, the others stand by. It archives versions, too. */
export async function retrainRunnerOf(
  context: CommandContext,
  parts: RunnerParts,
): Promise<{ readonly stop: () => Promise<void> }> {
  const { settings, clock, logger } = context;
  const { broker } = parts;
  const runner = new RetrainRunner({
    ...{ broker, clock, logger },
    application: settings['application.id'],
    instanceId: settings['group.instance.id'],
    sessionTimeoutMs: settings['session.timeout.ms'],
    run: async (command, hooks) => {
      const isByTeam = broker.kind === 'kafka';
      const report = await (isByTeam ? runByTeam : run)(context, parts, command, hooks);
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

type Command = Parameters<RunRetrainCommand>[0];

function run(
  context: CommandContext,
  parts: RunnerParts,
  { k, reason, requestedBy }: Command,
  { request, write, signal, onProgress }: RetrainHooks,
  team?: TeamOptions,
): Promise<RetrainReport> {
  return retrain(context, {
    ...{ ...parts, k, reason, requestedBy, promote: true, request, write, signal, team },
    onProgress: (progress) => onProgress(phaseOf(progress)),
  });
}

/** With the threads of this process, for as long as the job takes. When one cannot go on, neither does the job. */
async function runByTeam(
  context: CommandContext,
  parts: RunnerParts,
  command: Command,
  hooks: RetrainHooks,
): Promise<RetrainReport> {
  const workers = await RetrainWorkers.start(context, context.settings['retrain.workers']);
  const stop = new AbortController();
  workers.failed.catch(() => stop.abort());
  const signal = AbortSignal.any([hooks.signal, stop.signal]);
  try {
    const team = { ...teamOf(context.settings), writer: hooks.writer };
    return await run(context, parts, command, { ...hooks, signal }, team);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return await workers.failed;
  } finally {
    await workers.stop();
  }
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
