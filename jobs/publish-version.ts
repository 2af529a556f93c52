// How a version that a job has made reaches the world: its number, the record on `models`, and the request for its promotion.

import { randomUUID } from 'node:crypto';
import type { Broker } from '../broker/index.ts';
import {
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
import type { ModelRegistry } from '../state-stores/index.ts';
import { type Clock, FatalError, RefusedError } from '../support/index.ts';
import type { ModelFollower } from './model-follower.ts';

export interface Promotion {
  readonly broker: Broker;
  readonly follower: ModelFollower;
  readonly version: string;
  readonly requestedBy: string;
  readonly reason: string;
  readonly clock: Clock;
  /** Default 30 s; 0: nobody is there to obey yet, so the request is all. */
  readonly promotionWaitMsMax?: number | undefined;
}

const promotionWaitMsDefault = 30_000;

/** Keeps the version for good: a candidate, until somebody promotes it. */
export function publishVersion(broker: Broker, model: Model): Promise<void> {
  const { version, createdAtMs } = model;
  return append(broker, topics.models, modelKey(version), encodeModel(model), createdAtMs);
}

/**
 * Asks for the promotion of a published version and waits until the owner has made it current.
 * @throws RefusedError with the owner's reason, FatalError when nobody answers; then the request stands.
 */
export async function promoteVersion(promotion: Promotion): Promise<void> {
  const { version, requestedBy, reason } = promotion;
  const command = { command: 'promote', version, requestedBy, reason } as const;
  if (promotion.promotionWaitMsMax === 0) await requestOf({ ...promotion, command });
  else await commandModel({ ...promotion, command });
}

export interface CommandOptions extends Omit<Promotion, 'version' | 'requestedBy' | 'reason'> {
  readonly command: Omit<ModelCommand, 'id' | 'timestampMs'>;
}

/**
 * Puts a command on the audit log and waits for what the owner decides.
 * @throws RefusedError with the owner's reason, FatalError when nobody answers; then the request stands.
 */
export async function commandModel(options: CommandOptions): Promise<ModelDecision> {
  const { follower, clock, promotionWaitMsMax: waitMs = promotionWaitMsDefault } = options;
  const command = await requestOf(options);
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

async function requestOf({ broker, clock, command: asked }: CommandOptions): Promise<ModelCommand> {
  const timestampMs = clock.nowMs();
  const command: ModelCommand = { ...asked, id: randomUUID(), timestampMs };
  const key = new TextEncoder().encode('default');
  await append(broker, topics.modelCommands, key, encodeModelCommand(command), timestampMs);
  return command;
}

/** After all that are known: the registry must be up to date. */
export function nextVersion(parent: Model, k: number, registry: ModelRegistry): string {
  return `${nextGeneration(parent, { ...parent, k }, registry.versions())}.0`;
}

async function append(
  broker: Broker,
  topic: string,
  key: Uint8Array,
  value: Uint8Array,
  timestampMs: number,
): Promise<void> {
  const records = new RecordBatchBuilder(1, key.length + value.length);
  records.append(timestampMs, key, value);
  const writer = await broker.openWriter();
  try {
    await writer.append([{ topic, partition: 0, records }]);
  } finally {
    await writer.close();
  }
}
