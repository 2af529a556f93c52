// Appends become signed record batches: split where the topic's size limit asks for it, numbered per partition.

import { type RecordColumns, recordHeaders, recordKey, recordValue } from '../../schemas/index.ts';
import { RecordTooLargeError } from '../../support/index.ts';
import type { Append, TopicPartition } from '../broker.ts';
import { nameOf } from './by-topic.ts';
import type { ProducerSession } from './producer-session.ts';
import { type Allocate, encodeBatch } from './record-batch-encoder.ts';
import type { TopicLimits } from './topic-limits.ts';

/** One batch on its way to one partition: rows [firstRow, firstRow + rows) of append number `append`. */
export interface SignedBatch extends TopicPartition {
  readonly append: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly bytes: Buffer;
}

/**
 * By the limits as they are known; before a record is called too large they are asked anew: they may have been raised.
 * @throws RecordTooLargeError, RetriableError: nothing has been sent yet
 */
export async function signWithin(
  limits: TopicLimits,
  appends: readonly Append[],
  session: ProducerSession,
  allocate?: Allocate,
): Promise<SignedBatch[]> {
  try {
    return signBatches(appends, await limits.of(appends), session, allocate);
  } catch (error) {
    if (!(error instanceof RecordTooLargeError)) throw error;
    limits.forget(String(error.fields.topic));
    return signBatches(appends, await limits.of(appends), session, allocate);
  }
}

/**
 * The session itself is not moved: its numbers advance when Kafka acknowledges a batch.
 * @throws RecordTooLargeError when a record alone is larger than its topic accepts.
 */
export function signBatches(
  appends: readonly Append[],
  bytesMax: ReadonlyMap<string, number>,
  session: ProducerSession,
  allocate?: Allocate,
): SignedBatch[] {
  const batches: SignedBatch[] = [];
  const planned = new Map<string, number>();
  for (const [append, { topic, partition, records }] of appends.entries()) {
    const name = nameOf({ topic, partition });
    const limit = bytesMax.get(topic)!;
    for (let row = 0; row < records.n; ) {
      const rowsPlanned = planned.get(name) ?? 0;
      const signature = session.signature({ topic, partition }, rowsPlanned);
      const { bytes, rows } = encodeBatch(records, row, limit, signature, allocate);
      if (rows === 0) throw recordTooLarge({ topic, partition, records }, row, limit);
      batches.push({ topic, partition, append, firstRow: row, rows, bytes });
      planned.set(name, rowsPlanned + rows);
      row += rows;
    }
  }
  return batches;
}

function recordTooLarge({ topic, partition, records }: Append, row: number, limit: number): Error {
  const size = sizeOf(records, row);
  return new RecordTooLargeError(
    `A record of ${size} bytes for ${topic}-${partition} does not fit into the ${limit} that the topic takes as a batch; raise its max.message.bytes, or send less.`,
    { topic, partition, row, size, limit },
  );
}

function sizeOf(records: RecordColumns, row: number): number {
  const of = (bytes: Uint8Array | null) => bytes?.length ?? 0;
  const headers = recordHeaders(records, row).map(({ key, value }) => key.length + of(value));
  const own = of(recordKey(records, row)) + of(recordValue(records, row));
  return headers.reduce((size, header) => size + header, own);
}

/** Kafka takes one batch per partition and request: the n-th batch of each partition travels in round n. */
export function roundsOf(batches: readonly SignedBatch[]): SignedBatch[][] {
  const rounds: SignedBatch[][] = [];
  const next = new Map<string, number>();
  for (const batch of batches) {
    const round = next.get(nameOf(batch)) ?? 0;
    next.set(nameOf(batch), round + 1);
    if (rounds[round] === undefined) rounds[round] = [batch];
    else rounds[round].push(batch);
  }
  return rounds;
}
