// Verification as a command: the settings say what the first model was made with, the log says the rest.

import type { SettingValues } from '../config/index.ts';
import type { ArtifactStore } from '../state-stores/index.ts';
import { type Finding, type VerifyReport, verifyVersions } from '../verification/index.ts';
import type { CommandContext, SettingFlags } from './command-context.ts';
import { checkFailedError } from './exit-codes.ts';
import { openArtifacts } from './open-artifacts.ts';
import { openKafka, openStopped } from './open-broker.ts';
import { pointDecoder } from './pipeline.ts';
import { ProgressLine, progressBar, thousands } from './terminal.ts';

export interface VerifyFlags extends SettingFlags {
  readonly json?: boolean;
}

/** @throws MeanstreamError (exit code 4) when anything differs */
export async function verifyOnce(
  context: CommandContext,
  version: string | undefined,
  { dataDir, json }: VerifyFlags,
): Promise<void> {
  const { settings } = context;
  const broker =
    dataDir === undefined ? await openKafka(context) : await openStopped(context, dataDir);
  const line = new ProgressLine(process.stderr);
  let artifacts: ArtifactStore | undefined;
  let report: VerifyReport;
  try {
    artifacts = await openArtifacts(context);
    report = await verifyVersions({
      broker,
      version,
      artifacts,
      application: settings['application.id'],
      decoder: () => pointDecoder(settings),
      first: firstModelOf(settings),
      onProgress: ({ deltas, of, version: at }) =>
        line.update(`verify ${progressBar(Math.min(1, deltas / of))}  ${at ?? 'samples'}`),
    });
  } finally {
    await artifacts?.close();
    await broker.close();
  }
  line.end(reportText(report));
  for (const { version: of, why } of report.notRecomputed) {
    process.stderr.write(`${of} was not recomputed: ${why}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else for (const finding of report.findings) process.stdout.write(`${findingText(finding)}\n`);
  if (report.findings.length === 0) return;
  const [first] = report.findings;
  throw checkFailedError(whatFollows(first!, settings['processing.guarantee']), {
    findings: report.findings.length,
  });
}

function whatFollows(
  { of, where, remedy }: Finding,
  guarantee: SettingValues['processing.guarantee'],
): string {
  if (remedy !== undefined) return `${of}: ${where} is not what was kept. ${remedy}`;
  const rollBack = `${of} is not what the log gives: ${where}. Roll back to a version before it, and look who wrote to the topics.`;
  if (guarantee === 'exactly_once_v2') return rollBack;
  return `${rollBack} After a crash under processing.guarantee at_least_once, though, deltas are folded again, and no log says which: no version from there on can be recomputed.`;
}

function firstModelOf(settings: SettingValues) {
  const metric = settings['model.metric'];
  return {
    k: settings['model.k'],
    dimensions: settings['model.dimensions'] || settings['model.features'].length,
    scaling: metric !== 'cosine' && settings['model.scaling'] !== 'none',
    metric,
    missing: settings['model.missing'],
    seed: settings['model.seed'],
  };
}

function reportText(report: VerifyReport): string {
  const { versionsCompared, recordsCompared, birthsRecomputed, deltasRecomputed } = report;
  const births = birthsRecomputed.join(', ');
  const found = report.findings.length;
  const verdict = found === 0 ? 'equal, bit for bit' : `${found} differences`;
  const artifacts = `, ${thousands(report.artifactsRead)} artifacts read`;
  if (report.notRecomputed.length > 0) {
    return `the log has lost its beginning; ${births || 'nothing'} made again from range, parent and coreset${artifacts}: ${verdict}`;
  }
  return `${thousands(versionsCompared)} versions in ${thousands(recordsCompared)} records (generations ${births}) from ${thousands(deltasRecomputed)} deltas of ${thousands(report.pointsReplayed)} points${artifacts}: ${verdict}`;
}

function findingText({ of, where, recorded, recomputed, remedy }: Finding): string {
  if (remedy !== undefined) return `${of}: ${where} should be ${recorded}, but ${recomputed}`;
  return `${of}: ${where} is ${recorded}, recomputed ${recomputed}`;
}
