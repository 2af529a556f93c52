// How a version that a job has made reaches the world: its number, the record on `models`, and the request for its promotion.
//
// Jobs and the owner (at a rollback) give numbers without asking each other. Whoever needs one claims it on `models` and reads on
// to that claim: the number is theirs if no claim to it comes before in the log, else they claim the next.

import { randomUUID } from 'node:crypto';
import { type Append, appendOnce, type Broker } from '../broker/index.ts';
import {
  claimKey,
  commandAppend,
  encodeClaim,
  encodeModel,
  encodeModelCommand,
  type Model,
  type ModelCommand,
  type ModelDecision,
  modelKey,
  nextGeneration,
  RecordBatchBuilder,
  topics,
} from '../schemas/index.ts';
import { type Clock, FatalError, RefusedError } from '../support/index.ts';
import type { ModelFollower } from './model-follower.ts';

export interface CommandOptions {
  readonly broker: Broker;
  readonly follower: ModelFollower;
  readonly command: Omit<ModelCommand, 'id' | 'timestampMs'>;
  readonly clock: Clock;
  /** Default 30 s. */
  readonly promotionWaitMsMax?: number | undefined;
}

export interface Release extends Omit<CommandOptions, 'command'> {
  readonly model: Model;
  /** Whether to ask for its promotion, and to wait for what the owner decides. */
  readonly promote: boolean;
  /** Instead: set it beside the champion, where live points decide. */
  readonly shadow?: boolean | undefined;
  readonly requestedBy: string;
  readonly reason: string;
  /** Default 30 s; 0: nobody is there to obey yet, so the request is all. */
  readonly promotionWaitMsMax?: number | undefined;
  /** How the version and the request reach the log. Default: one after the other. */
  readonly write?: ((appends: readonly Append[]) => Promise<void>) | undefined;
  /** Called once they are there, before anybody's decision is waited for. */
  readonly published?: () => Promise<void>;
}

const promotionWaitMsDefault = 30_000;

/**
 * Keeps the version for good: a candidate, or the next current model.
 * @throws RefusedError with the owner's reason, FatalError when nobody answers; then the request stands.
 */
export async function releaseVersion(release: Release): Promise<void> {
  const { broker, model, promote, shadow = false, requestedBy, reason, clock } = release;
  const { version, createdAtMs } = model;
  const { write = (appends) => appendOnce(broker, appends) } = release;
  const published = append(topics.models, modelKey(version), encodeModel(model), createdAtMs);
  if (!promote && !shadow) {
    await write([published]);
    return release.published?.();
  }
  const asked = shadow
    ? ({ command: 'alias', alias: 'shadow' } as const)
    : ({ command: 'promote' } as const);
  const command = requestOf({ ...asked, version, requestedBy, reason }, clock);
  await write([published, appendOf(command)]);
  await release.published?.();
  if (release.promotionWaitMsMax !== 0) await decisionAbout(command, release);
}

/**
 * Puts a command on the audit log and waits for what the owner decides.
 * @throws RefusedError with the owner's reason, FatalError when nobody answers; then the request stands.
 */
export async function commandModel(options: CommandOptions): Promise<ModelDecision> {
  return decisionAbout(await requestModel(options), options);
}

/** Puts a command on the audit log, for when nobody is there to decide yet. */
export async function requestModel(
  options: Pick<CommandOptions, 'broker' | 'command' | 'clock'>,
): Promise<ModelCommand> {
  const command = requestOf(options.command, options.clock);
  await appendOnce(options.broker, [appendOf(command)]);
  return command;
}

async function decisionAbout(
  command: ModelCommand,
  options: Omit<CommandOptions, 'command'>,
): Promise<ModelDecision> {
  const { follower, clock, promotionWaitMsMax: waitMs = promotionWaitMsDefault } = options;
  const answer = () =>
    follower.registry.decisions().find(({ commandId }) => commandId === command.id);
  const what = `${command.command} ${command.version ?? ''}`.trim();
  if (!(await follower.waitFor(() => answer() !== undefined, waitMs, clock))) {
    throw new FatalError(
      `Nobody has decided about "${what}" within ${waitMs} ms: is a processor running? ` +
        'The command is kept on model-commands and takes effect when one does.',
      { ...command },
    );
  }
  const decision = answer()!;
  if (decision.outcome === 'applied') return decision;
  throw new RefusedError(`"${what}" was refused: ${decision.refusal}.`, { ...decision });
}

function requestOf(asked: CommandOptions['command'], clock: Clock): ModelCommand {
  return { ...asked, id: randomUUID(), timestampMs: clock.nowMs() };
}

function appendOf(command: ModelCommand): Append {
  return commandAppend(encodeModelCommand(command), command.timestampMs);
}

export interface ClaimOptions extends Pick<CommandOptions, 'broker' | 'follower' | 'clock'> {
  /** What it comes after. */
  readonly parent: Pick<Model, 'version' | 'k' | 'dims' | 'metric'>;
  readonly k: number;
}

const claimWaitMsMax = 30_000;

/** A number after all that are known, and nobody else's. @throws FatalError when the log does not show the claim in 30 s */
export async function claimVersion(options: ClaimOptions): Promise<string> {
  const { broker, follower, parent, k, clock } = options;
  const { registry } = follower;
  const claimant = randomUUID();
  // Whoever has to go round again has seen somebody else come away with a number.
  for (;;) {
    await follower.catchUp();
    const name = nextGeneration(parent, { ...parent, k }, registry.knownNames());
    const nowMs = clock.nowMs();
    const value = encodeClaim(name, claimant, nowMs);
    await appendOnce(broker, [append(topics.models, claimKey(name, claimant), value, nowMs)]);
    const isRead = () => registry.claimants(name).includes(claimant);
    if (!(await follower.waitFor(isRead, claimWaitMsMax, clock))) {
      throw new FatalError(
        `A claim to version ${name}.0 could not be read from ${topics.models} within ${claimWaitMsMax} ms: does a transaction on it hang? Nothing was published.`,
        { version: `${name}.0`, claimant },
      );
    }
    if (registry.claimants(name)[0] === claimant) return `${name}.0`;
  }
}

function append(topic: string, key: Uint8Array, value: Uint8Array, timestampMs: number): Append {
  const records = new RecordBatchBuilder(1, key.length + value.length);
  records.append(timestampMs, key, value);
  return { topic, partition: 0, records };
}
