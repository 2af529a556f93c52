// The retrain job as a command (over Kafka); serve-retrains.ts runs it when it is asked for.

import type { Broker } from '../broker/index.ts';
import { kMaxDefault } from '../clustering/index.ts';
import {
  type RetrainHooks,
  type RetrainProgress,
  type RetrainReport,
  runRetrain,
} from '../jobs/index.ts';
import type { RetrainPhase } from '../schemas/index.ts';
import type { Metrics } from '../support/index.ts';
import type { CommandContext, SettingFlags } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { headline } from './k-report/k-criteria.ts';
import { openKafka } from './open-broker.ts';
import { codeVersion } from './package-root.ts';
import { pointDecoder } from './pipeline.ts';
import { recommendKFor } from './run-recommend-k.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface RetrainFlags extends SettingFlags {
  readonly k?: string;
  readonly seed?: string;
  readonly promote: boolean;
  readonly json?: boolean;
}

export async function retrainOnce(context: CommandContext, flags: RetrainFlags): Promise<void> {
  const broker = await openKafka(context);
  const line = new ProgressLine(process.stderr);
  try {
    await requireTopics(context, broker);
    const report = await retrain(context, {
      broker,
      k: flags.k === 'auto' ? await recommendedK(context, broker, line) : givenK(context),
      promote: flags.promote,
      reason: 'meanstream retrain',
      onProgress: (progress) => line.update(progressText(progress)),
    });
    line.end(reportText(report));
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await broker.close();
  }
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
  readonly write?: RetrainHooks['write'];
  readonly signal?: AbortSignal;
}

export function retrain(
  context: CommandContext,
  options: RunRetrainOptions,
): Promise<RetrainReport> {
  const { settings, clock, logger } = context;
  const policy = settings['promotion.policy'];
  return runRetrain({
    ...options,
    promote: options.promote && policy !== 'manual',
    gate: policy === 'gate',
    group: settings['application.id'],
    seed: settings['model.seed'],
    scaling: settings['model.scaling'] !== 'none',
    requestedBy: options.requestedBy ?? settings['group.instance.id'],
    codeVersion: codeVersion(),
    decode: pointDecoder(settings),
    clock,
    logger,
  });
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
  const what = run <= runs ? `run ${run} of ${runs}` : `swap ${run - runs}`;
  const text = `${what}, iteration ${iteration}, inertia ${inertia.toPrecision(6)}`;
  return { phase, share: null, text };
}

export function reportText(report: RetrainReport): string {
  const { version, parent, points, inertia, parentInertia, promoted, shadow, durationMs } = report;
  const change = ((inertia / parentInertia - 1) * 100).toFixed(2);
  const kept = shadow
    ? 'set beside the champion, where live points decide'
    : 'published as a candidate, not promoted';
  const fate = promoted ? 'promoted' : kept;
  return `${version} from ${thousands(points)} points in ${(durationMs / 1_000).toFixed(1)} s: inertia ${change} % against ${parent}; ${fate}`;
}
