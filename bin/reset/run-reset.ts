// `meanstream reset`: shows the plan, makes sure that nobody is at work and that it is wanted, and carries it out.

import { rm } from 'node:fs/promises';
import type { Broker } from '../../broker/index.ts';
import { forgetCoresets, retrainGroup } from '../../jobs/index.ts';
import { DependencyDownError, MeanstreamError, RefusedError } from '../../support/index.ts';
import type { CommandContext, SettingFlags } from '../command-context.ts';
import { confirm } from '../confirm.ts';
import { openArtifacts } from '../open-artifacts.ts';
import { openKafka, openStopped } from '../open-broker.ts';
import { table } from '../terminal.ts';
import { planReset, type ResetPlan } from './reset-plan.ts';

export interface ResetFlags extends SettingFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly outputs?: boolean;
}

const dataDirDefault = '.meanstream';

export async function runReset(context: CommandContext, flags: ResetFlags): Promise<void> {
  const { broker, where } = await openLog(context, flags);
  try {
    const plan = await planReset(context, broker, flags.outputs ?? false);
    say(shown(plan, where));
    if (flags.dryRun) {
      say('Nothing was changed (--dry-run).');
      return;
    }
    if (!plan.hasOffsets && !plan.hasCoreset && plan.topics.length + plan.folders.length === 0) {
      say('There is nothing to reset.');
      return;
    }
    await refuseWhileAlive(plan, broker);
    await requireConsent(flags);
    await refuseWhileAlive(plan, broker);
    await carryOut(context, plan, broker);
    say(farewell(broker));
  } finally {
    await broker.close();
  }
}

/** A folder named on the command line comes first, as in `tail`. */
async function openLog(
  context: CommandContext,
  flags: ResetFlags,
): Promise<{ broker: Broker; where: string }> {
  const servers = context.settings['bootstrap.servers'];
  if (flags.dataDir === undefined && servers.length > 0) {
    return { broker: await openKafka(context), where: `Kafka at ${servers.join(',')}` };
  }
  const dataDir = flags.dataDir ?? dataDirDefault;
  try {
    return { broker: await openStopped(context, dataDir), where: `embedded log in ${dataDir}` };
  } catch (cause) {
    if (!(cause instanceof DependencyDownError) || cause.fields.isHeld !== true) throw cause;
    throw new RefusedError(
      `A running \`meanstream dev\` holds the log in ${dataDir}; stop it first. Nothing was changed.`,
      { dataDir, cause },
    );
  }
}

function shown({ rows }: ResetPlan, where: string): string {
  const cells = rows.map(({ what, holds, fate, note }) => [what, holds, fate, note]);
  return `${where}\n${table(['what', 'holds', 'reset', 'note'], cells)}`;
}

async function refuseWhileAlive({ group }: ResetPlan, broker: Broker): Promise<void> {
  const counts = await Promise.all(
    [group, retrainGroup(group)].map((id) => broker.groupMembers(id)),
  );
  const members = counts.reduce((sum, count) => sum + count, 0);
  if (members === 0) return;
  throw new RefusedError(
    `Group ${group} has ${members} live ${members === 1 ? 'member' : 'members'}; stop the processors and whoever runs retrains first (one that was killed counts until session.timeout.ms has passed). Nothing was changed.`,
    { group, members },
  );
}

async function requireConsent({ yes }: ResetFlags): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw new RefusedError(
      'A reset cannot be undone and there is no terminal to ask on; give --yes to do it. Nothing was changed.',
    );
  }
  if (await confirm('Delete what is marked so? It cannot be undone.')) return;
  throw new RefusedError('The answer was not yes. Nothing was changed.');
}

/**
 * Offsets go after what was learned: cut off in between, no point is learned twice. Topics come back last: until then a
 * processor that is started refuses to.
 */
async function carryOut(context: CommandContext, plan: ResetPlan, broker: Broker): Promise<void> {
  for (const id of plan.transactionalIds) {
    const writer = await broker.openTransactionalWriter(id);
    await writer.close();
  }
  const artifacts = await openArtifacts(context);
  try {
    await forgetCoresets(artifacts, plan.group);
    for (const folder of plan.folders) await rm(folder, { recursive: true });
    await broker.deleteTopics(plan.topics.map(({ name }) => name));
    await broker.deleteOffsets(plan.group);
    await broker.deleteOffsets(retrainGroup(plan.group));
    await broker.createTopics(plan.topics);
  } catch (cause) {
    const { code, message } =
      cause instanceof MeanstreamError
        ? cause
        : { code: 'MEANSTREAM_FATAL', message: String(cause) };
    const then = broker.kind === 'kafka' ? ', and then `meanstream topics apply`' : '';
    throw new MeanstreamError(
      code,
      `The reset is not complete: ${message} Run \`meanstream reset\` again${then}.`,
      { cause },
    );
  } finally {
    await artifacts.close();
  }
}

function farewell({ kind }: Broker): string {
  return kind === 'embedded'
    ? 'Done. Start `meanstream dev`: it reads the points again and learns anew.'
    : [
        'Done. Start processors and gateways: the points are read again and learned anew.',
        'On every other machine that ran a processor, remove its local state folder before it starts there.',
      ].join('\n');
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
