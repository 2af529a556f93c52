// Retention of the embedded log (cleanup.policy with "delete"): whole stored batches go from the start of a partition,
// when their newest record is older than `retention.ms`, or while what stays is at least `retention.bytes`.

import type { Operation } from './log-database.ts';
import type { LogState, Topic } from './log-state.ts';
import type { PartitionLog } from './partition-log.ts';

/** Kafka's default: seven days. */
const retentionMsDefault = 604_800_000;
/** Looked at in one step. */
const stepBytesMax = 4 * 1_048_576;

export async function applyRetention(state: LogState, topic: Topic, nowMs: number): Promise<void> {
  const { 'retention.ms': ms, 'retention.bytes': bytes } = topic.configs;
  const retentionMs = ms === undefined ? retentionMsDefault : Number(ms);
  const retentionBytes = bytes === undefined ? -1 : Number(bytes);
  const oldestMs = retentionMs < 0 ? Number.NEGATIVE_INFINITY : nowMs - retentionMs;
  const bytesMax = retentionBytes < 0 ? Number.POSITIVE_INFINITY : retentionBytes;
  for (const log of topic.partitions) {
    while (await deleteOldest(state, log, oldestMs, bytesMax));
  }
}

/** @returns whether there may be more to delete */
async function deleteOldest(
  state: LogState,
  log: PartitionLog,
  oldestMs: number,
  bytesMax: number,
): Promise<boolean> {
  const batches = await log.fetch(log.logStart, stepBytesMax);
  if (log.deleted) return false;
  let { bytes, cleanedBytes, cleanedTo, logStart } = log.bounds;
  const operations: Operation[] = [];
  for (const batch of batches) {
    const size = batch.bytes.length;
    if (batch.timestampMax >= oldestMs && bytes - size < bytesMax) break;
    bytes -= size;
    if (batch.nextOffset <= cleanedTo) cleanedBytes -= size;
    logStart = batch.nextOffset;
    operations.push(log.deleteBatch(batch));
  }
  if (operations.length === 0) return false;
  cleanedTo = Math.max(cleanedTo, logStart);
  operations.push(log.move({ bytes, cleanedBytes, cleanedTo, logStart }));
  await state.database.submit(operations, () => log.rewritten());
  return operations.length > batches.length;
}
