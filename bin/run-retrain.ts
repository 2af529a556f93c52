// The retrain job as a command (over Kafka) and as a schedule (inside `dev`).

import type { Broker } from '../broker/index.ts';
import { kMaxDefault } from '../clustering/index.ts';
import { type RetrainProgress, type RetrainReport, runRetrain } from '../jobs/index.ts';
import { MeanstreamError, type Metrics } from '../support/index.ts';
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

export interface ScheduleOptions {
  readonly broker: Broker;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/** Retrains every `retrain.interval.ms` until told to stop; a retrain that fails is logged, and the next is tried. */
export async function retrainOnSchedule(
  context: CommandContext,
  { broker, metrics, signal }: ScheduleOptions,
): Promise<void> {
  const { clock, logger, settings } = context;
  const intervalMs = settings['retrain.interval.ms'];
  if (intervalMs === 0) return;
  for (;;) {
    await clock.sleep(intervalMs, signal);
    if (signal.aborted) return;
    try {
      const report = await retrain(context, { broker, metrics, promote: true, reason: 'schedule' });
      const { version, parent, points, promoted, durationMs } = report;
      logger.info({ version, parent, points, promoted, durationMs }, reportText(report));
    } catch (err) {
      if (signal.aborted) return;
      const code = err instanceof MeanstreamError ? err.code : undefined;
      logger.warn({ err, code }, 'the scheduled retrain failed; the next one is tried in its turn');
    }
  }
}

interface RunOptions {
  readonly broker: Broker;
  readonly metrics?: Metrics;
  readonly k?: number | undefined;
  readonly promote: boolean;
  readonly reason: string;
  readonly onProgress?: (progress: RetrainProgress) => void;
}

function retrain(context: CommandContext, options: RunOptions): Promise<RetrainReport> {
  const { settings, clock, logger } = context;
  return runRetrain({
    ...options,
    group: settings['application.id'],
    seed: settings['model.seed'],
    scaling: settings['model.scaling'] !== 'none',
    requestedBy: settings['group.instance.id'],
    codeVersion: codeVersion(),
    decode: pointDecoder(settings),
    clock,
    logger,
  });
}

function progressText(progress: RetrainProgress): string {
  if (progress.phase === 'replay') {
    const { records, of } = progress;
    return `replay ${progressBar(of === 0 ? 1 : records / of)}  ${thousands(records)} points`;
  }
  const { run, runs, iteration, inertia } = progress;
  const what = run <= runs ? `run ${run} of ${runs}` : `swap ${run - runs}`;
  return `fit  ${what}, iteration ${iteration}, inertia ${inertia.toPrecision(6)}`;
}

function reportText(report: RetrainReport): string {
  const { version, parent, points, inertia, parentInertia, promoted, durationMs } = report;
  const change = ((inertia / parentInertia - 1) * 100).toFixed(2);
  const fate = promoted ? 'promoted' : 'published as a candidate, not promoted';
  return `${version} from ${thousands(points)} points in ${(durationMs / 1_000).toFixed(1)} s: inertia ${change} % against ${parent}; ${fate}`;
}
