// What the broker contract needs to say its cases in a line each: rows as plain objects, patient waits, unique names.
// Waits are bounded but patient: a Kafka commit takes 50 ms, a rebalance some seconds.

import { randomUUID } from 'node:crypto';
import {
  type RecordBatch,
  RecordBatchBuilder,
  type RecordColumns,
  type RecordHeader,
  recordHeaders,
  recordKey,
  recordValue,
} from '../../schemas/index.ts';
import { systemClock } from '../../support/index.ts';
import type { Append, Broker, PartitionReader, TopicPartition } from '../broker.ts';

const patienceMs = 25_000;

/** Event times of the rows: recent, so that no default retention deletes them. */
export const baseTimeMs = Math.floor(systemClock.nowMs() / 1000) * 1000;

export interface BrokerUnderTest {
  /** Connected. */
  readonly broker: Broker;
  /** Closes the broker and opens another on the same data. */
  readonly reopen?: () => Promise<Broker>;
  /** Closes the broker (the reopened one too) and removes what the test left. */
  close(): Promise<void>;
}

/** Gives the shared broker once the tests run. */
export type SharedBroker = () => Broker;

export interface Row {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp: number;
  readonly headers: readonly RecordHeader[];
}

export interface ReadRow extends Row {
  readonly offset: number;
}

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));

export const textOf = (field: Uint8Array | null): string | null =>
  field === null ? null : Buffer.from(field).toString('utf8');

export function row(value: string | Uint8Array | null, rest: Partial<Row> = {}): Row {
  return {
    key: null,
    value: typeof value === 'string' ? bytes(value) : value,
    timestamp: baseTimeMs,
    headers: [],
    ...rest,
  };
}

export function columns(rows: readonly Row[]): RecordColumns {
  const builder = new RecordBatchBuilder();
  for (const { timestamp, key, value, headers } of rows) {
    builder.append(timestamp, key, value, headers);
  }
  return builder;
}

/** `values` as rows of one partition. */
export function appendOf(topic: string, partition: number, values: readonly string[]): Append {
  return { topic, partition, records: columns(values.map((value) => row(value))) };
}

export function uniqueName(what: string): string {
  return `contract-${what}-${randomUUID().slice(0, 8)}`;
}

export async function newTopic(
  broker: Broker,
  partitions = 1,
  configs: Readonly<Record<string, string>> = {},
): Promise<string> {
  const name = uniqueName('topic');
  await broker.createTopics([{ name, partitions, replicationFactor: 1, configs }]);
  return name;
}

/** Rows of a batch, copied out of it. */
export function rowsOf(batch: RecordBatch): ReadRow[] {
  return Array.from({ length: batch.n }, (_, i) => ({
    offset: batch.offsets[i]!,
    key: copy(recordKey(batch, i)),
    value: copy(recordValue(batch, i)),
    timestamp: batch.timestamps[i]!,
    headers: recordHeaders(batch, i).map(({ key, value }) => ({ key, value: copy(value) })),
  }));
}

function copy(field: Uint8Array | null): Uint8Array | null {
  return field === null ? null : new Uint8Array(field);
}

/** Reads until `count` rows are there, then makes sure for a moment that no more follow. */
export async function readRows(
  broker: Broker,
  partition: TopicPartition,
  count: number,
  from = 0,
): Promise<ReadRow[]> {
  const reader = broker.openReader(partition, from);
  try {
    const rows = await readCount(reader, count);
    rows.push(...rowsOf(await reader.read({ rowsMax: 1000, waitMsMax: 100 })));
    return rows;
  } finally {
    await reader.close();
  }
}

/** Reads until `count` rows are there; fails when they don't come. */
export async function readCount(reader: PartitionReader, count: number): Promise<ReadRow[]> {
  const rows: ReadRow[] = [];
  const deadline = systemClock.monotonicMs() + patienceMs;
  while (rows.length < count) {
    if (systemClock.monotonicMs() > deadline) {
      throw new Error(`only ${rows.length} of ${count} rows came in ${patienceMs} ms`);
    }
    rows.push(...rowsOf(await reader.read({ rowsMax: 1000, waitMsMax: 500 })));
  }
  return rows;
}

export async function readValues(
  broker: Broker,
  partition: TopicPartition,
  count: number,
): Promise<(string | null)[]> {
  return (await readRows(broker, partition, count)).map(({ value }) => textOf(value));
}

/** The code of the error a promise rejects with, or "none". */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

export const elapsedMs = (sinceMs: number): number => systemClock.monotonicMs() - sinceMs;
export const monotonicMs = (): number => systemClock.monotonicMs();
export const sleepMs = (ms: number): Promise<void> => systemClock.sleep(ms);
