// The recommendation of K as a command (over Kafka), for a retrain with `--k auto`, and for the gateway.

import { writeFile } from 'node:fs/promises';
import type { Broker } from '../broker/index.ts';
import { kMaxDefault, kMaxMax } from '../clustering/index.ts';
import { type KReport, type RecommendKProgress, runRecommendK } from '../jobs/index.ts';
import type { CommandContext, SettingFlags } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { usageError } from './exit-codes.ts';
import { kReportHtml } from './k-report/k-report-html.ts';
import { kReportText } from './k-report/k-report-text.ts';
import { openKafka } from './open-broker.ts';
import { pointDecoder } from './pipeline.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface RecommendKFlags extends SettingFlags {
  readonly kMax?: string;
  readonly seed?: string;
  readonly html?: string;
  readonly json?: boolean;
}

export async function recommendKOnce(context: CommandContext, flags: RecommendKFlags) {
  const kMax = kMaxOf(flags);
  const broker = await openKafka(context);
  const line = new ProgressLine(process.stderr);
  try {
    await requireTopics(context, broker);
    const report = await recommendKFor(context, {
      broker,
      kMax,
      onProgress: (progress) => line.update(progressText(progress)),
    });
    line.end(
      `scored K = 1 to ${report.curve.length} in ${(report.durationMs / 1_000).toFixed(1)} s`,
    );
    if (flags.html !== undefined) await writeFile(flags.html, kReportHtml(report));
    process.stdout.write(`${flags.json ? JSON.stringify(report) : kReportText(report)}\n`);
  } finally {
    await broker.close();
  }
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
