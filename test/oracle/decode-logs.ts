// Raw records of the topics, by whatever client they were read, as the oracle takes them.

import type { Broker } from '../../broker/index.ts';
import { readAll } from '../../runtime/testing/read-all.ts';
import {
  type Assignment,
  decodeLearningMessage,
  decodeModel,
  decodeModelDecision,
  modelRecordKind,
  topics,
} from '../../schemas/index.ts';
import type { RecordedLogs, RecordedPoint } from './clustering-oracle.ts';

export type RecordedRecord = RecordedPoint;

export interface RawLogs {
  readonly points: readonly RecordedRecord[];
  readonly assignments: readonly RecordedRecord[];
  readonly deadLetters: readonly RecordedRecord[];
  readonly centroidDeltas: readonly RecordedRecord[];
  readonly models: readonly RecordedRecord[];
}

/** All that a run has left in a log. */
export async function recordedLogs(broker: Broker): Promise<RecordedLogs> {
  const all = (topic: string) => readAll(broker, topic);
  return decodeLogs({
    points: await all(topics.points),
    assignments: await all(topics.assignments),
    deadLetters: await all(topics.deadLetters),
    centroidDeltas: await all(topics.centroidDeltas),
    models: await all(topics.models),
  });
}

export function decodeLogs(raw: RawLogs): RecordedLogs {
  return {
    points: raw.points,
    assignments: raw.assignments.map(({ value }) => JSON.parse(text(value)) as Assignment),
    deadLetters: raw.deadLetters.map((record) => ({
      partition: Number(headerOf(record, '__streams.errors.partition')),
      offset: Number(headerOf(record, '__streams.errors.offset')),
    })),
    centroidDeltas: raw.centroidDeltas.map(({ offset, value }) => ({
      offset,
      message: decodeLearningMessage(value!),
    })),
    models: raw.models.flatMap(({ key, value }) => {
      const record = modelRecordKind(key);
      if (record?.kind !== 'model' || value === null) return [];
      return [{ name: record.name, model: decodeModel(value) }];
    }),
    decisions: raw.models.flatMap(({ key, value }) =>
      modelRecordKind(key)?.kind === 'decision' ? [decodeModelDecision(value!)] : [],
    ),
  };
}

export function headerOf({ headers }: RecordedRecord, name: string): string | undefined {
  const header = headers.findLast(({ key }) => key === name);
  return header && text(header.value);
}

function text(bytes: Uint8Array | null): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes ?? new Uint8Array(0));
}
