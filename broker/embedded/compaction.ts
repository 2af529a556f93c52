// Compaction of the embedded log (cleanup.policy with "compact"): of each key the newest value stays, at its offset.
//
// 1. Walk what came since the last time and note the newest offset of each key (at most `keysMax` keys a round).
// 2. Walk everything up to there; write each batch anew without the rows that have a newer one. It goes on covering the
//    offsets it covered. A batch without rows is deleted; readers step over the gap.
// 3. A tombstone (null value) that an earlier round has seen goes too, once it is older than `delete.retention.ms`:
//    until then slow readers can still learn of the deletion.
//
// Every record has a key: the log takes no other on a compacted topic. Each step is one atomic write, so a crash leaves a log that reads
// the same. Memory: a map entry per different key of a round. Time: one pass over the partition.

import { RecordBatchBuilder, recordHeaders, recordKey, recordValue } from '../../schemas/index.ts';
import { ColumnBuffer } from './column-buffer.ts';
import type { Operation } from './log-database.ts';
import type { LogState, Topic } from './log-state.ts';
import type { PartitionLog } from './partition-log.ts';
import { encodeRows, type StoredBatch } from './stored-batch.ts';

/** Kafka's default: a day. */
const deleteRetentionMsDefault = 86_400_000;
const keysMax = 1_000_000;
const stepBytesMax = 4 * 1_048_576;

interface Round {
  readonly log: PartitionLog;
  readonly nowMs: number;
  /** Exclusive end of what this round has looked at. */
  readonly to: number;
  readonly newest: ReadonlyMap<string, number>;
  /** Tombstones before this offset and older than `oldestMs` go. */
  readonly tombstonesBefore: number;
  readonly oldestMs: number;
}

/** Compacts the partitions of which at least `dirtyRatioMin` is new, and `dirtyBytesMin` bytes. */
export async function applyCompaction(
  state: LogState,
  topic: Topic,
  nowMs: number,
  { dirtyRatioMin, dirtyBytesMin }: { dirtyRatioMin: number; dirtyBytesMin: number },
): Promise<void> {
  const configured = topic.configs['delete.retention.ms'];
  const keptMs = configured === undefined ? deleteRetentionMsDefault : Number(configured);
  for (const log of topic.partitions) {
    const { bytes, cleanedBytes } = log.bounds;
    const dirtyBytes = bytes - cleanedBytes;
    if (dirtyBytes < dirtyBytesMin || dirtyBytes < dirtyRatioMin * bytes) continue;
    const newest = new Map<string, number>();
    const tombstonesBefore = log.bounds.cleanedTo;
    const to = await noteNewest(log, newest);
    const oldestMs = nowMs - keptMs;
    await rewrite(state, { log, nowMs, to, newest, tombstonesBefore, oldestMs });
  }
}

async function noteNewest(log: PartitionLog, newest: Map<string, number>): Promise<number> {
  const columns = new ColumnBuffer(log);
  const end = log.end;
  let at = Math.max(log.logStart, log.bounds.cleanedTo);
  while (at < end && newest.size < keysMax) {
    const batches = await log.fetch(at, stepBytesMax);
    if (batches.length === 0) return end;
    for (const batch of batches) {
      columns.clear(Math.max(at, batch.baseOffset));
      columns.take(batch, batch.rows);
      for (let row = 0; row < columns.n; row++) {
        newest.set(keyText(columns, row), columns.offsets[row]!);
      }
      at = batch.nextOffset;
    }
  }
  return at;
}

async function rewrite(state: LogState, round: Round): Promise<void> {
  const { log, to } = round;
  const columns = new ColumnBuffer(log);
  let at = log.logStart;
  let cleanedBytes = 0;
  while (at < to) {
    const batches = await log.fetch(at, stepBytesMax);
    if (log.deleted) return;
    const operations: Operation[] = [];
    let saved = 0;
    for (const batch of batches) {
      if (batch.baseOffset >= to) break;
      columns.clear(batch.baseOffset);
      columns.take(batch, batch.rows);
      const bytes = compacted(batch, columns, round);
      const size = bytes?.length ?? 0;
      cleanedBytes += size;
      saved += batch.bytes.length - size;
      if (bytes === undefined) operations.push(log.deleteBatch(batch));
      else if (bytes !== batch.bytes) {
        operations.push(log.putBatch({ baseOffset: batch.baseOffset, bytes }));
      }
      at = batch.nextOffset;
    }
    if (batches.length === 0 || batches.at(-1)!.baseOffset >= to) at = to;
    const done = at >= to ? { cleanedTo: to, cleanedBytes } : {};
    operations.push(log.move({ bytes: log.bounds.bytes - saved, gapsTo: to, ...done }));
    await state.database.submit(operations, () => log.rewritten());
  }
}

/** The batch without its old rows: the same bytes when all stay, undefined when none does. */
function compacted(batch: StoredBatch, columns: ColumnBuffer, round: Round) {
  const kept: number[] = [];
  for (let row = 0; row < columns.n; row++) if (stays(columns, row, round)) kept.push(row);
  if (kept.length === columns.n) return columns.n === 0 ? undefined : batch.bytes;
  if (kept.length === 0) return undefined;
  const rows = new RecordBatchBuilder(kept.length);
  const offsets = new Float64Array(kept.length);
  kept.forEach((row, i) => {
    const [key, value] = [recordKey(columns, row), recordValue(columns, row)];
    rows.append(columns.timestamps[row]!, key, value, recordHeaders(columns, row));
    offsets[i] = columns.offsets[row]!;
  });
  const { baseOffset, nextOffset } = batch;
  return encodeRows(rows, 0, rows.n, batch.timestampMax, { offsets, baseOffset, nextOffset });
}

function stays(columns: ColumnBuffer, row: number, round: Round): boolean {
  const offset = columns.offsets[row]!;
  if ((round.newest.get(keyText(columns, row)) ?? -1) > offset) return false;
  const tombstone = columns.valueEnds[row]! < 0;
  const seenBefore = offset < round.tombstonesBefore;
  return !(tombstone && seenBefore && columns.timestamps[row]! < round.oldestMs);
}

/** A key as a string: one character a byte, so that different bytes stay different. */
function keyText(columns: ColumnBuffer, row: number): string {
  const end = columns.keyEnds[row]!;
  const { buffer, byteOffset } = columns.bytes;
  const start = columns.keyStarts[row]!;
  return Buffer.from(buffer, byteOffset + start, end - start).toString('latin1');
}
