// Brings one store up to the end of its changelog: read_committed, in batches, each written with its offset in one
// atomic write, so that a restore that is cut off goes on where it was. While one batch is written the next is read.

import type { Broker, TopicPartition } from '../broker/index.ts';
import { changelogDeleteRetentionMs, type RecordBatch } from '../schemas/index.ts';
import type { ChangelogStore } from '../state-stores/index.ts';
import {
  crashPoint,
  type Logger,
  nextTurn,
  OffsetOutOfRangeError,
  TaskCorruptedError,
} from '../support/index.ts';
import { restoreRowsMax } from './task-environment.ts';

export interface RestoreOptions {
  readonly broker: Broker;
  readonly changelog: TopicPartition;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Changelog records left. */
  readonly onRemaining: (records: number) => void;
  readonly onRestored: (records: number, bytes: number) => void;
}

const readWaitMs = 1000;
/** From here on an engine is worth being made ready for many writes. */
const bulkRecordsMin = 50_000;

/**
 * Called after fencing: from then on the end of the changelog stands still.
 * @throws TaskCorruptedError when the changelog no longer holds what the store lacks; an AbortError on `signal`.
 */
export async function restoreStore(store: ChangelogStore, options: RestoreOptions): Promise<void> {
  const { broker, changelog, logger, onRemaining } = options;
  const bounds = (await broker.listOffsets(changelog.topic))[changelog.partition]!;
  const { logStart, end } = bounds;
  const recovery = await store.recover({ logStart, end, ageMsMax: changelogDeleteRetentionMs });
  if (recovery.wipedBecause !== undefined)
    logger.warn({ store: store.name }, recovery.wipedBecause);
  onRemaining(end - recovery.restoreFrom);
  if (recovery.restoreFrom >= end) return;
  const isBulk = end - recovery.restoreFrom >= bulkRecordsMin;
  if (isBulk) await store.setBulk(true);
  try {
    await readTo(end, recovery.restoreFrom, store, options);
    if (isBulk) await store.setBulk(false);
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError)) throw error;
    throw new TaskCorruptedError(
      `Changelog ${changelog.topic}-${changelog.partition} lost records while store ${store.name} was being restored; it will be rebuilt.`,
      { store: store.name, cause: error },
    );
  }
}

async function readTo(
  end: number,
  from: number,
  store: ChangelogStore,
  { broker, changelog, signal, onRemaining, onRestored }: RestoreOptions,
): Promise<void> {
  const reader = broker.openReader(changelog, from);
  let writing: Promise<void> = Promise.resolve();
  try {
    while (reader.position < end) {
      signal.throwIfAborted();
      const batch = await reader.read({ rowsMax: restoreRowsMax, waitMsMax: readWaitMs });
      await writing;
      writing = store.restore(batch);
      // Heard of when it is waited for.
      writing.catch(() => {});
      crashPoint('restoring');
      onRestored(batch.n, bytesOf(batch));
      onRemaining(Math.max(0, end - batch.nextOffset));
      await nextTurn();
    }
    await writing;
  } finally {
    // A read that failed must not leave a write behind.
    await writing.catch(() => {});
    await reader.close();
  }
}

/** Of the keys and values. */
export function bytesOf({ n, keyStarts, keyEnds, valueStarts, valueEnds }: RecordBatch): number {
  let bytes = 0;
  for (let row = 0; row < n; row++) {
    bytes += Math.max(0, keyEnds[row]! - keyStarts[row]!);
    bytes += Math.max(0, valueEnds[row]! - valueStarts[row]!);
  }
  return bytes;
}
