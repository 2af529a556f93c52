// The retrain job as a command (over Kafka); serve-retrains.ts runs it when it is asked for.

import { appendOnce, type Broker } from '../broker/index.ts';
import { kMaxDefault } from '../clustering/index.ts';
import type { SettingValues } from '../config/index.ts';
import {
  coordinatorId,
  JobLog,
  type RetrainProgress,
  type RetrainReport,
  refuseWhileServed,
  retrainGroup,
  runRetrain,
  type TeamOptions,
  unfinishedJob,
  type WriteOutcome,
} from '../jobs/index.ts';
import { commandAppend, encodeRetrainCommand, type RetrainPhase } from '../schemas/index.ts';
import { InvalidSettingError, type Metrics } from '../support/index.ts';
import { archiveOnce } from './archive-versions.ts';
import { type CommandContext, defaultGatewayUrl, type SettingFlags } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { exitCodes } from './exit-codes.ts';
import { headline } from './k-report/k-criteria.ts';
import { openArtifacts } from './open-artifacts.ts';
import { openKafka } from './open-broker.ts';
import { codeVersion } from './package-root.ts';
import { pointDecoder } from './pipeline.ts';
import { RetrainWorkers } from './retrain-workers.ts';
import { recommendKFor } from './run-recommend-k.ts';
import type { Shutdown } from './shutdown.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface RetrainFlags extends SettingFlags {
  readonly k?: string;
  readonly seed?: string;
  readonly promote: boolean;
  readonly workers?: string;
  readonly history?: string;
  readonly inMemory?: boolean;
  readonly cancel?: boolean;
  readonly json?: boolean;
}

export async function retrainOnce(
  context: CommandContext,
  flags: RetrainFlags,
  shutdown: Shutdown,
): Promise<void> {
  if (context.settings['bootstrap.servers'].length === 0) throw withoutKafka();
  const broker = await openKafka(context);
  const line = new ProgressLine(process.stderr);
  const application = context.settings['application.id'];
  let workers: RetrainWorkers | undefined;
  try {
    await requireTopics(context, broker);
    await refuseWhileServed(broker, application);
    if (!flags.inMemory) {
      workers = await RetrainWorkers.start(context, context.settings['retrain.workers']);
    }
    const retraining = retrain(context, {
      broker,
      team: workers && {
        ...teamOf(context.settings),
        onAbort: () => (shutdown.exitCode() === exitCodes.interrupted ? 'cancel' : 'leave'),
      },
      signal: shutdown.signal,
      k: flags.k === 'auto' ? await recommendedK(context, broker, line) : givenK(context),
      promote: flags.promote,
      reason: 'meanstream retrain',
      write: workers === undefined ? await soleWrite(broker, application) : undefined,
      onProgress: (progress) => line.update(progressText(progress)),
    });
    const report = await (workers ? Promise.race([retraining, workers.failed]) : retraining);
    line.end(reportText(report));
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    await archiveOnce(context, broker);
  } finally {
    await workers?.stop();
    await broker.close();
  }
}

function withoutKafka(): InvalidSettingError {
  return new InvalidSettingError(
    `retrain works on Kafka: name the brokers with --set bootstrap.servers=host:port. A running \`dev\` retrains when it is asked: ` +
      `curl ${defaultGatewayUrl}/v1/retrains -H 'content-type: application/json' -d '{"k":7}' (\`meanstream k-recommend\` says which k).`,
  );
}

/** A team's writer is its job log; this one fences it, and a server, in the same way. */
async function soleWrite(broker: Broker, application: string): Promise<WriteOutcome> {
  const writer = await broker.openTransactionalWriter(coordinatorId(application));
  return async (appends) => {
    await writer.commit({ appends, group: retrainGroup(application), offsets: [] });
  };
}

export function teamOf(settings: SettingValues): TeamOptions {
  return {
    workers: Math.max(1, settings['retrain.workers']),
    workerTimeoutMs: settings['retrain.worker.timeout.ms'],
    workersWaitMsMax: settings['retrain.wait.ms'],
  };
}

/** One by hand hears of it at its next step; of one that was asked for, its request is taken back. */
export async function cancelRetrain(context: CommandContext): Promise<void> {
  const broker = await openKafka(context);
  const application = context.settings['application.id'];
  try {
    const { job } = (await unfinishedJob({ broker, application })) ?? {};
    const request = job?.request ?? null;
    if (request !== null) await takeBack(context, broker, request);
    else if (job !== undefined) await endJob(context, broker);
    const said = request === null ? job?.job : `retrain ${request}, which was asked for,`;
    process.stdout.write(
      job === undefined ? 'no retrain is under way\n' : `${said} is cancelled\n`,
    );
  } finally {
    await broker.close();
  }
}

const cancelReason = 'meanstream retrain --cancel';

async function endJob({ settings, clock }: CommandContext, broker: Broker): Promise<void> {
  const log = await JobLog.open({ broker, application: settings['application.id'], clock });
  const job = log.unfinished?.job.job;
  if (job !== undefined) {
    await log.end({ type: 'end', job, outcome: 'cancelled', reason: cancelReason });
  }
  await log.close();
}

/** As DELETE /v1/retrains/{id} does. */
async function takeBack(
  { settings, clock }: CommandContext,
  broker: Broker,
  id: string,
): Promise<void> {
  const requestedBy = settings['group.instance.id'];
  const by = { requestedBy, reason: cancelReason, timestampMs: clock.nowMs() };
  const value = encodeRetrainCommand({ command: 'cancel-retrain', id, ...by });
  await appendOnce(broker, [commandAppend(value, by.timestampMs)]);
}

/** Without --k or a setting of its own, a retrain keeps the k of the model it replaces. */
function givenK({ loaded, settings }: CommandContext): number | undefined {
  return loaded.origins['model.k'] === 'default' ? undefined : settings['model.k'];
}

async function recommendedK(
  context: CommandContext,
  broker: Broker,
  line: ProgressLine,
): Promise<number> {
  const report = await recommendKFor(context, { broker, kMax: kMaxDefault });
  line.end(headline(report));
  return report.k;
}

export interface RunRetrainOptions {
  readonly broker: Broker;
  readonly metrics?: Metrics;
  readonly k?: number | undefined;
  readonly promote: boolean;
  readonly reason: string;
  /** Default: this process. */
  readonly requestedBy?: string;
  readonly onProgress?: (progress: RetrainProgress) => void;
  /** The id of the request that it is run for, if it is. */
  readonly request?: string;
  readonly write?: WriteOutcome | undefined;
  readonly team?: TeamOptions | undefined;
  readonly signal?: AbortSignal;
}

export async function retrain(
  context: CommandContext,
  options: RunRetrainOptions,
): Promise<RetrainReport> {
  const { settings, clock, logger } = context;
  const policy = settings['promotion.policy'];
  const artifacts = await openArtifacts(context);
  try {
    return await runRetrain({
      ...options,
      promote: options.promote && policy !== 'manual',
      gate: policy === 'gate',
      group: settings['application.id'],
      seed: settings['model.seed'],
      scaling: settings['model.scaling'] !== 'none',
      requestedBy: options.requestedBy ?? settings['group.instance.id'],
      codeVersion: codeVersion(),
      decode: pointDecoder(settings),
      artifacts,
      fromCoreset: settings['retrain.history'] === 'coreset',
      clock,
      logger,
    });
  } finally {
    await artifacts.close();
  }
}

function progressText(progress: RetrainProgress): string {
  const { phase, share, text } = phaseOf(progress);
  return share === null ? `${phase}  ${text}` : `${phase} ${progressBar(share)}  ${text}`;
}

/** How far a job is, for a terminal and for those who watch from elsewhere. */
export function phaseOf(progress: RetrainProgress): RetrainPhase {
  if (progress.phase === 'replay') {
    const { phase, records, of } = progress;
    return { phase, share: of === 0 ? 1 : records / of, text: `${thousands(records)} points` };
  }
  const { phase, run, runs, iteration, inertia } = progress;
  const what = run <= runs ? 'all points' : 'from the parent';
  const text = `${what}, iteration ${iteration}, inertia ${inertia.toPrecision(6)}`;
  return { phase, share: null, text };
}

export function reportText(report: RetrainReport): string {
  const { version, parent, points, inertia, parentInertia, promoted, shadow, durationMs } = report;
  const change = ((inertia / parentInertia - 1) * 100).toFixed(2);
  const kept = shadow
    ? 'set beside the champion, where live points decide'
    : inertia > parentInertia
      ? `published as a candidate: its inertia is larger, as with fewer clusters it always is. \`meanstream models promote ${version}\` takes it all the same`
      : 'published as a candidate, not promoted';
  const fate = promoted ? 'promoted' : kept;
  return `${version} from ${thousands(points)} points in ${(durationMs / 1_000).toFixed(1)} s: inertia ${change} % against ${parent}; ${fate}${seenText(report.history)}`;
}

/** Nothing where all was seen as it was. */
function seenText({ summaryPoints, summaryRows, exactShare }: RetrainReport['history']): string {
  if (summaryPoints === 0) return '';
  const share = (100 * exactShare).toFixed(1);
  return ` (${share} % of the points as they were, ${thousands(summaryPoints)} through ${thousands(summaryRows)} of a coreset)`;
}
