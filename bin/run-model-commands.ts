// Which version is in use: looking at it, comparing versions, and asking the owner for another one.

import { userInfo } from 'node:os';
import { commandModel, ModelFollower } from '../jobs/index.ts';
import type {
  Model,
  ModelAlias,
  ModelCommand,
  ModelDecision,
  ShadowComparison,
} from '../schemas/index.ts';
import { modelAliases } from '../state-stores/index.ts';
import type { CommandContext, SettingFlags } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { usageError } from './exit-codes.ts';
import { openKafka } from './open-broker.ts';
import { type ModelsFlags, modelIn, print, registryOf } from './run-models.ts';
import { table } from './terminal.ts';

export interface CommandFlags extends SettingFlags {
  readonly reason?: string;
  readonly expected?: string;
  readonly alias?: 'challenger' | 'shadow';
  readonly json?: boolean;
}

export async function listAliases(context: CommandContext, flags: ModelsFlags): Promise<void> {
  const registry = await registryOf(context, flags);
  const entries = modelAliases.map((alias) => registry.alias(alias));
  const { pinned } = registry;
  const comparison = registry.comparison(registry.alias('shadow').number) ?? null;
  if (flags.json) {
    return print(JSON.stringify({ aliases: entries, pinned: pinned ?? null, comparison }));
  }
  const rows = entries.map(({ alias, version, number, decision }) => [
    alias,
    version ?? '–',
    String(number),
    decision === undefined ? '–' : dateOf(decision),
    decision?.requestedBy ?? '–',
    decision?.reason ?? '–',
  ]);
  print(table(['alias', 'version', 'decision', 'since', 'by', 'reason'], rows));
  if (comparison !== null) print(comparisonText(comparison));
  if (pinned !== undefined) print(`pinned since ${dateOf(pinned)}: ${pinned.reason}`);
}

function comparisonText(comparison: ShadowComparison): string {
  const { championVersion, shadowVersion, championError, shadowError } = comparison;
  const { points, pointsMin, margin, idStability, state } = comparison;
  const change = championError > 0 ? (shadowError / championError - 1) * 100 : 0;
  const rows = [
    ['champion', championVersion, championError.toPrecision(5), '–'],
    ['shadow', shadowVersion, shadowError.toPrecision(5), `${change.toFixed(2)} %`],
  ];
  return [
    table(['alias', 'version', 'mean squared distance', 'change'], rows),
    `${state}: ${points} of ${pointsMin} points, ${(margin * 100).toFixed(0)} % wanted; ${percent(idStability)} keep their cluster id`,
  ].join('\n');
}

export async function showHistory(
  context: CommandContext,
  alias: string | undefined,
  flags: ModelsFlags,
): Promise<void> {
  const known = modelAliases.find((each) => each === alias);
  if (alias !== undefined && known === undefined) {
    throw usageError(`There is no alias ${alias}; there are ${modelAliases.join(', ')}.`);
  }
  const decisions = (await registryOf(context, flags)).decisions(known).reverse();
  if (flags.json) return print(JSON.stringify(decisions));
  const rows = decisions.map((decision) => {
    const { number, action, outcome, refusal, previous, version, requestedBy, reason } = decision;
    const { pruned } = decision;
    const done = pruned === undefined ? `${previous ?? '–'} → ${version}` : pruned.join(', ');
    const moved = outcome === 'refused' ? `refused: ${refusal}` : done;
    return [String(number), dateOf(decision), decision.alias, action, moved, requestedBy, reason];
  });
  print(table(['', 'when', 'alias', 'action', 'from → to', 'by', 'reason'], rows));
}

export async function diffModels(
  context: CommandContext,
  names: readonly [string, string],
  flags: ModelsFlags,
): Promise<void> {
  const registry = await registryOf(context, flags);
  const [one, other] = [modelIn(registry, names[0]), modelIn(registry, names[1])];
  const difference = differenceOf(one, other);
  if (flags.json) return print(JSON.stringify(difference));
  const rows = difference.clusters.map(({ clusterId, shareBefore, shareAfter, moved }) => [
    clusterId,
    shareBefore === null ? 'new' : percent(shareBefore),
    shareAfter === null ? 'gone' : percent(shareAfter),
    moved === null ? '–' : moved.toPrecision(3),
  ]);
  print(table(['cluster', one.version, other.version, 'moved'], rows));
  print(
    `${difference.kept} of ${Math.max(one.k, other.k)} clusters kept; "moved" is in the space of ${other.version}; ` +
      `mean squared distance ${one.quality.meanSquaredDistance.toPrecision(4)} → ${other.quality.meanSquaredDistance.toPrecision(4)}, each in its own`,
  );
}

export async function promote(
  context: CommandContext,
  version: string,
  flags: CommandFlags,
): Promise<void> {
  const { alias } = flags;
  const asked = alias === undefined ? { command: 'promote' as const } : aliasAsked(alias);
  await act(context, { ...asked, version }, flags);
}

export async function rollBack(
  context: CommandContext,
  version: string | undefined,
  flags: CommandFlags,
): Promise<void> {
  await act(context, { command: 'rollback', ...(version !== undefined && { version }) }, flags);
}

export async function pin(
  context: CommandContext,
  command: 'pin' | 'unpin',
  flags: CommandFlags,
): Promise<void> {
  await act(context, { command }, flags);
}

const aliasAsked = (alias: Exclude<ModelAlias, 'champion'>) => ({
  command: 'alias' as const,
  alias,
});

async function act(
  context: CommandContext,
  asked: Pick<ModelCommand, 'command' | 'version' | 'alias'>,
  { reason = '', expected, json }: CommandFlags,
): Promise<void> {
  const broker = await openKafka(context);
  try {
    await requireTopics(context, broker);
    const follower = await ModelFollower.open(broker);
    const requestedBy = `${userInfo().username}@${context.settings['group.instance.id']}`;
    const command = { ...asked, ...expectation(expected), requestedBy, reason };
    const { clock } = context;
    const decision = await commandModel({ broker, follower, clock, command });
    await follower.close();
    if (json) print(JSON.stringify(decision));
    else print(sentence(decision));
  } finally {
    await broker.close();
  }
}

function expectation(expected: string | undefined): { expected?: number } {
  if (expected === undefined) return {};
  if (/^\d+$/.test(expected)) return { expected: Number(expected) };
  throw usageError(`--expected is "${expected}"; it must be the number of a decision.`);
}

function sentence({ action, alias, version, previous, number }: ModelDecision): string {
  if (action === 'pin') return `pinned at ${version} (decision ${number})`;
  if (action === 'unpin') return `unpinned at ${version} (decision ${number})`;
  return `${alias} is ${version ?? 'nothing'}, it was ${previous ?? 'nothing'} (decision ${number})`;
}

interface ClusterDifference {
  readonly clusterId: string;
  readonly shareBefore: number | null;
  readonly shareAfter: number | null;
  /** Distance of the centroids, in the other model's space. */
  readonly moved: number | null;
}

function differenceOf(one: Model, other: Model) {
  const ids = [...new Set([...one.clusterIds, ...other.clusterIds])];
  const clusters = ids.map((clusterId): ClusterDifference => {
    const [i, j] = [one.clusterIds.indexOf(clusterId), other.clusterIds.indexOf(clusterId)];
    return {
      clusterId,
      shareBefore: i < 0 ? null : shareOf(one, i),
      shareAfter: j < 0 ? null : shareOf(other, j),
      moved: i < 0 || j < 0 || one.dims !== other.dims ? null : distance(one, i, other, j),
    };
  });
  const kept = clusters.filter(({ shareBefore, shareAfter }) => shareBefore && shareAfter).length;
  return { from: one.version, to: other.version, kept, clusters };
}

function shareOf({ weights }: Model, j: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total > 0 ? weights[j]! / total : 0;
}

function distance(one: Model, i: number, other: Model, j: number): number {
  let square = 0;
  for (let d = 0; d < one.dims; d += 1) {
    const move = other.centroids[j * other.dims + d]! - one.centroids[i * one.dims + d]!;
    square += (move / other.scale[d]!) ** 2;
  }
  return Math.sqrt(square);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function dateOf({ decidedAtMs }: ModelDecision): string {
  return new Date(decidedAtMs).toISOString();
}
