// The recommendation of K as a command (over Kafka), for a retrain with `--k auto`, and for the gateway.

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Broker } from '../broker/index.ts';
import { kMaxDefault, kMaxMax } from '../clustering/index.ts';
import { type KReport, type RecommendKProgress, runRecommendK } from '../jobs/index.ts';
import { RefusedError } from '../support/index.ts';
import { type CommandContext, defaultGatewayUrl, type SettingFlags } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { usageError } from './exit-codes.ts';
import { askGateway } from './k-report/ask-gateway.ts';
import { kReportHtml } from './k-report/k-report-html.ts';
import { kReportText } from './k-report/k-report-text.ts';
import { openKafka, openStopped } from './open-broker.ts';
import { pointDecoder } from './pipeline.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface RecommendKFlags extends SettingFlags {
  readonly kMax?: string;
  readonly seed?: string;
  readonly html?: string;
  readonly url?: string;
  readonly json?: boolean;
}

export async function recommendKOnce(context: CommandContext, flags: RecommendKFlags) {
  const kMax = kMaxOf(flags);
  refuseToOverwrite(flags);
  const line = new ProgressLine(process.stderr);
  const onProgress = (progress: RecommendKProgress) => line.update(progressText(progress));
  const report = hasLog(context, flags)
    ? await fromLog(context, flags, { kMax, onProgress })
    : await askGateway({
        url: flags.url ?? defaultGatewayUrl,
        clock: context.clock,
        request: { kMax, ...(flags.seed !== undefined && { seed: Number(flags.seed) }) },
        onProgress,
      });
  line.end(`scored K = 1 to ${report.curve.length} in ${(report.durationMs / 1_000).toFixed(1)} s`);
  if (flags.html !== undefined) await writeFile(flags.html, kReportHtml(report), { flag: 'wx' });
  process.stdout.write(`${flags.json ? JSON.stringify(report) : kReportText(report)}\n`);
}

/** A running `dev` keeps its log to itself; without Kafka it is asked. */
function hasLog({ settings }: CommandContext, { url, dataDir }: RecommendKFlags): boolean {
  return url === undefined && (dataDir !== undefined || settings['bootstrap.servers'].length > 0);
}

async function fromLog(
  context: CommandContext,
  { dataDir }: RecommendKFlags,
  options: Omit<RunOptions, 'broker'>,
): Promise<KReport> {
  const broker =
    dataDir === undefined ? await openKafka(context) : await openStopped(context, dataDir);
  try {
    if (dataDir === undefined) await requireTopics(context, broker);
    return await recommendKFor(context, { broker, ...options });
  } finally {
    await broker.close();
  }
}

/** Before the work, not after it. */
function refuseToOverwrite({ html }: RecommendKFlags): void {
  if (html === undefined || !existsSync(html)) return;
  throw new RefusedError(`${html} exists; name another file with --html, or remove it.`);
}

function kMaxOf({ kMax }: RecommendKFlags): number {
  if (kMax === undefined) return kMaxDefault;
  const value = Number(kMax);
  if (Number.isInteger(value) && value >= 2 && value <= kMaxMax) return value;
  throw usageError(`--k-max is ${kMax}; it must be a whole number from 2 to ${kMaxMax}.`);
}

interface RunOptions {
  readonly broker: Broker;
  readonly kMax: number;
  readonly seed?: number;
  readonly onProgress?: (progress: RecommendKProgress) => void;
}

export function recommendKFor(context: CommandContext, options: RunOptions): Promise<KReport> {
  const { settings, clock } = context;
  return runRecommendK({
    seed: settings['model.seed'],
    ...options,
    group: settings['application.id'],
    decode: pointDecoder(settings),
    clock,
  });
}

function progressText({ records, of }: RecommendKProgress): string {
  return `replay ${progressBar(of === 0 ? 1 : records / of)}  ${thousands(records)} points`;
}
