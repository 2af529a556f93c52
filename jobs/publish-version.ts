// How a version that a job has made reaches the world: its number, the record on `models`, and the request for its promotion.

import type { Broker } from '../broker/index.ts';
import {
  encodeModel,
  encodeModelCommand,
  formatVersion,
  generationOf,
  type Model,
  modelKey,
  parseVersion,
  RecordBatchBuilder,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import { type Clock, FatalError } from '../support/index.ts';
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
 * @throws FatalError when that takes too long; the request stands.
 */
export async function promoteVersion(promotion: Promotion): Promise<void> {
  const { broker, follower, version, requestedBy, reason, clock } = promotion;
  const waitMs = promotion.promotionWaitMsMax ?? promotionWaitMsDefault;
  const timestampMs = clock.nowMs();
  const command = { command: 'promote', version, requestedBy, reason, timestampMs } as const;
  const key = new TextEncoder().encode('default');
  await append(broker, topics.modelCommands, key, encodeModelCommand(command), timestampMs);
  if (waitMs === 0) return;
  const reached = (model: Model | undefined) =>
    model !== undefined && generationOf(model.version) === generationOf(version);
  if (await follower.waitFor(reached, waitMs, clock)) return;
  throw new FatalError(
    `Version ${version} is published, but was not promoted within ${waitMs} ms: is a processor running? ` +
      'The command is kept on model-commands and takes effect when one does.',
    { version },
  );
}

/** The next MINOR after all known ones; the next MAJOR when k changes. */
export function nextVersion(parent: Model, k: number, registry: ModelRegistry): string {
  const { major } = parseVersion(parent.version);
  const known = registry.list().map((model) => parseVersion(model.version));
  if (k !== parent.k) {
    const newest = Math.max(...known.map((version) => version.major));
    return formatVersion({ major: newest + 1, minor: 0, patch: 0 });
  }
  const minors = known.filter((version) => version.major === major).map(({ minor }) => minor);
  return formatVersion({ major, minor: Math.max(...minors) + 1, patch: 0 });
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
