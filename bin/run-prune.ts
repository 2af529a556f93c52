// `meanstream models prune`: shows what would go and what stays and why, asks, and has the owner of the model decide.

import { userInfo } from 'node:os';
import type { Broker } from '../broker/index.ts';
import {
  commandModel,
  ModelFollower,
  type PruneRow,
  planPrune,
  requestModel,
  requireArtifacts,
  sweepArtifacts,
} from '../jobs/index.ts';
import { RefusedError } from '../support/index.ts';
import { archiveOnce } from './archive-versions.ts';
import type { CommandContext } from './command-context.ts';
import { confirm } from './confirm.ts';
import { usageError } from './exit-codes.ts';
import { openArtifacts } from './open-artifacts.ts';
import { type ModelsFlags, openLog, print } from './run-models.ts';
import { table, thousands } from './terminal.ts';

export interface PruneFlags extends ModelsFlags {
  readonly keep: string;
  readonly olderThan?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export async function pruneModels(context: CommandContext, flags: PruneFlags): Promise<void> {
  const policy = { keep: keepOf(flags), olderThanMs: ageOf(flags) };
  const broker = await openLog(context, flags);
  const follower = await ModelFollower.open(broker);
  try {
    const { registry } = follower;
    const rows = await planPrune({ ...policy, broker, registry, clock: context.clock });
    const versions = rows.filter(({ fate }) => fate === 'delete').map(({ version }) => version);
    if (!flags.json) print(shown(rows));
    if (flags.dryRun) {
      return print(flags.json ? JSON.stringify({ rows }) : 'Nothing was changed (--dry-run).');
    }
    if (versions.length > 0) await requireConsent(flags, versions.length);
    const done = await carryOut(context, flags, { broker, follower, versions });
    print(flags.json ? JSON.stringify({ rows, ...done }) : sentence(done));
  } finally {
    await follower.close();
    await broker.close();
  }
}

interface Parts {
  readonly broker: Broker;
  readonly follower: ModelFollower;
  readonly versions: readonly string[];
}

interface Done {
  /** Null: nobody runs on this log now; the owner decides when `dev` starts. */
  readonly decision: number | null;
  readonly versions: readonly string[];
  readonly artifacts: readonly string[];
}

/** Archived first: the record that names a version's artifacts is what a sweep goes by. */
async function carryOut(
  context: CommandContext,
  flags: PruneFlags,
  { broker, follower, versions }: Parts,
): Promise<Done> {
  const { settings, clock } = context;
  const artifacts = await openArtifacts(context);
  try {
    let decision: number | null = null;
    if (versions.length > 0) {
      await requireArtifacts(artifacts, follower.registry, versions);
      await archiveOnce(context, broker);
      const requestedBy = `${userInfo().username}@${settings['group.instance.id']}`;
      const age = flags.olderThan === undefined ? '' : ` --older-than ${flags.olderThan}`;
      const reason = `meanstream models prune --keep ${flags.keep}${age}`;
      const command = { command: 'prune', versions, requestedBy, reason } as const;
      if (flags.dataDir !== undefined) {
        await requestModel({ broker, clock, command });
        return { decision, versions, artifacts: [] };
      }
      decision = (await commandModel({ broker, follower, clock, command })).number;
    }
    const application = settings['application.id'];
    const swept = await sweepArtifacts({ broker, follower, artifacts, application, clock });
    return { decision, versions, artifacts: swept };
  } finally {
    await artifacts.close();
  }
}

function shown(rows: readonly PruneRow[]): string {
  const cells = rows.map(({ version, origin, createdAtMs, fate, why, bytes }) => [
    version,
    origin,
    new Date(createdAtMs).toISOString(),
    bytes === null ? '–' : thousands(bytes),
    fate,
    why,
  ]);
  return table(['version', 'origin', 'created', 'bytes', 'prune', 'why'], cells);
}

function sentence({ decision, versions, artifacts }: Done): string {
  if (versions.length === 0 && artifacts.length === 0) return 'There is nothing to prune.';
  if (versions.length > 0 && decision === null) {
    return `Asked for: ${versions.length} versions. \`dev\` decides when it starts on this folder, and deletes their artifacts then.`;
  }
  const by = decision === null ? 'of an earlier prune' : `(decision ${decision})`;
  return `${versions.length} versions and ${artifacts.length} artifacts are deleted ${by}`;
}

async function requireConsent({ yes }: PruneFlags, count: number): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw new RefusedError(
      'A version that is pruned is gone, and there is no terminal to ask on; give --yes to do it. Nothing was changed.',
    );
  }
  if (await confirm(`Delete ${count} versions? It cannot be undone.`)) return;
  throw new RefusedError('The answer was not yes. Nothing was changed.');
}

function keepOf({ keep }: PruneFlags): number {
  if (/^\d{1,6}$/.test(keep)) return Number(keep);
  throw usageError(`--keep is ${keep}; it must be a whole number, 0 or more.`);
}

const unitsMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

function ageOf({ olderThan }: PruneFlags): number {
  if (olderThan === undefined) return 0;
  const [, count, unit] = /^(\d{1,6}) ?([dhm])$/.exec(olderThan) ?? [];
  if (count !== undefined) return Number(count) * unitsMs[unit!]!;
  throw usageError(`--older-than is ${olderThan}; it must be an age such as 30d, 12h or 90m.`);
}
