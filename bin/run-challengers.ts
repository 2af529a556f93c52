// The newest comparison of challengers, from the log or from a running gateway.

import type { Broker } from '../broker/index.ts';
import {
  type ChallengerReport,
  type ChallengerResult,
  decodeChallengerReport,
  recordValue,
  topics,
} from '../schemas/index.ts';
import { DependencyDownError, InvalidSettingError } from '../support/index.ts';
import { type CommandContext, defaultGatewayUrl, type SettingFlags } from './command-context.ts';
import { openKafka, openStopped } from './open-broker.ts';
import { styled, table, thousands } from './terminal.ts';

export interface ChallengersFlags extends SettingFlags {
  readonly url?: string;
  readonly json?: boolean;
}

export async function showChallengers(
  context: CommandContext,
  flags: ChallengersFlags,
): Promise<void> {
  const report = await newestReport(context, flags);
  if (report === null) {
    throw new InvalidSettingError(
      'There is no comparison yet. Name challengers in challengers.list (of processors, or `dev`), and let some thousand points come; ' +
        '`meanstream config explain challengers.list` says how.',
    );
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(`${challengersText(report)}\n`);
}

export function challengersText(report: ChallengerReport): string {
  const { contenders, recommended, reasons, points, sampled, modelVersion } = report;
  const head = [
    ...['', 'challenger', 'k', 'half-life', 'distance²', 'against', 'silhouette'],
    ...['Calinski-H.', 'ids kept', 'moved', 'better?'],
  ];
  const rows = contenders.map((contender) => rowOf(contender, recommended));
  const verdict = recommended === null ? 'No recommendation yet' : `Recommended: ${recommended}`;
  return [
    styled(process.stdout, 'bold', verdict),
    ...reasons,
    table(head, rows),
    `${thousands(sampled)} points looked at, which stand for ${thousands(points)}; model ${modelVersion}. Every point is scored before it is learned; "against" is of the typical block.`,
  ].join('\n');
}

function rowOf(contender: ChallengerResult, recommended: string | null): string[] {
  const { name, k, halfLife, isBaseline, meanSquaredDistance, change, silhouette } = contender;
  const { calinskiHarabasz, idStability, relocations, confidence } = contender;
  const percent = (100 * change).toFixed(1);
  return [
    name === recommended ? '►' : '',
    name,
    String(k),
    halfLifeText(halfLife),
    meanSquaredDistance.toPrecision(4),
    isBaseline ? '' : `${change >= 0 ? '+' : ''}${percent} %`,
    silhouette.toFixed(3),
    calinskiHarabasz === null ? '–' : thousands(calinskiHarabasz),
    `${(100 * idStability).toFixed(1)} %`,
    String(relocations),
    isBaseline ? 'baseline' : confidence.toFixed(2),
  ];
}

function halfLifeText({ unit, value }: ChallengerResult['halfLife']): string {
  return unit === 'ms' ? `${thousands(value / 1_000)} s` : `${thousands(value)} ${unit}`;
}

async function newestReport(
  context: CommandContext,
  { url, dataDir }: ChallengersFlags,
): Promise<ChallengerReport | null> {
  const hasKafka = context.settings['bootstrap.servers'].length > 0;
  if (url !== undefined || (!hasKafka && dataDir === undefined)) {
    return fromGateway(url ?? defaultGatewayUrl);
  }
  const broker =
    dataDir === undefined ? await openKafka(context) : await openStopped(context, dataDir);
  try {
    return await fromLog(broker);
  } finally {
    await broker.close();
  }
}

async function fromGateway(url: string): Promise<ChallengerReport | null> {
  let response: Response;
  try {
    response = await fetch(new URL('/v1/challengers', url));
  } catch (cause) {
    throw new DependencyDownError(
      `Nothing answers at ${url}; start \`meanstream dev\`, name a gateway with --url, or set bootstrap.servers.`,
      { url, cause },
    );
  }
  if (!response.ok) {
    throw new DependencyDownError(`${url} answered ${response.status} to /v1/challengers.`, {
      url,
    });
  }
  return ((await response.json()) as { latest: ChallengerReport | null }).latest;
}

const newestRecords = 100;

async function fromLog(broker: Broker): Promise<ChallengerReport | null> {
  const [bounds] = await broker.listOffsets(topics.challengers);
  if (bounds === undefined) return null;
  const { logStart, end } = bounds;
  const from = Math.max(logStart, end - newestRecords);
  const reader = broker.openReader({ topic: topics.challengers, partition: 0 }, from);
  let newest: ChallengerReport | null = null;
  try {
    while (reader.position < end) {
      const batch = await reader.read({ rowsMax: newestRecords, waitMsMax: 1_000 });
      for (let row = 0; row < batch.n; row += 1) {
        newest = decodeChallengerReport(recordValue(batch, row)!);
      }
    }
    return newest;
  } finally {
    await reader.close();
  }
}
