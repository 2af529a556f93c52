// What a run on Kafka left behind: the topics (what came out is read by Kafka's own Java consumer; the rest is binary and
// read by ours), what its changelogs replay to, and what its stores hold.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { changelogTopic, topics } from '../../schemas/index.ts';
import {
  CentroidStore,
  ChangelogStore,
  type EngineKind,
  MemoryStore,
  openEngine,
} from '../../state-stores/index.ts';
import { silentLogger, systemClock } from '../../support/index.ts';
import type { judge } from '../oracle/clustering-oracle.ts';
import { type DumpedRecord, dumpTopic } from './dump-topic.ts';
import { asDumped, readWithJava } from './java-console.ts';
import type { KafkaDeployment } from './kafka-deployment.ts';

type Verdict = ReturnType<typeof judge>;

export type RecordedRun = Readonly<
  Record<'points' | 'assignments' | 'deadLetters' | 'centroidDeltas' | 'models', DumpedRecord[]>
>;

/** The stores of the product: task and name. */
export const productStores = [
  ['fold_0', 'centroids'],
  ['detect-drift_0', 'drift'],
] as const;

/** Java gives up when no record came for this long; on a busy machine that may be before the first one. */
const idleMs = 6_000;
const idleMsBusy = 60_000;

export async function readRun({ kafka, broker }: KafkaDeployment): Promise<RecordedRun> {
  const judged = async (topic: string) => {
    const read = (ms: number) => readWithJava(kafka.libsDir, kafka.bootstrapServers, topic, ms);
    const [records, ours] = await Promise.all([read(idleMs), dumpTopic(broker, topic)]);
    return asDumped(records.length < ours.length ? await read(idleMsBusy) : records);
  };
  const [assignments, deadLetters, points, centroidDeltas, models] = await Promise.all([
    judged(topics.assignments),
    judged(topics.deadLetters),
    dumpTopic(broker, topics.points),
    dumpTopic(broker, topics.centroidDeltas),
    dumpTopic(broker, topics.models),
  ]);
  return { points, assignments, deadLetters, centroidDeltas, models };
}

/** Keys and values (in hex) of a store, in the order of the keys. */
export type Entries = ReadonlyMap<string, string>;

export interface ReplayedChangelog {
  readonly entries: Entries;
  /** What a store holds that has taken in the records before this offset. */
  readonly entriesAt: (end: number) => Entries;
  /** The offset of the last record that was committed to it, −1 when there is none. */
  readonly lastOffset: number;
}

export async function replayChangelog(
  { broker, applicationId }: KafkaDeployment,
  store: string,
): Promise<ReplayedChangelog> {
  const records = await dumpTopic(broker, changelogTopic(applicationId, store));
  const entriesAt = (end: number) => replayed(records.filter(({ offset }) => offset < end));
  return {
    ...{ entries: replayed(records), entriesAt },
    lastOffset: records.at(-1)?.offset ?? -1,
  };
}

function replayed(records: readonly DumpedRecord[]): Entries {
  const state = new Map<string, string>();
  for (const { key, value } of records) {
    const name = textOf(key);
    // The runtime's own progress record is no state.
    if (name.startsWith('\0')) continue;
    if (value === null) state.delete(name);
    else state.set(name, hexOf(value));
  }
  return new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface KeptStore {
  readonly entries: Entries;
  /** The next offset after what the store holds; −1 when it never saw a commit. */
  readonly changelogOffset: number;
}

/** The store of a processor that has stopped. */
export async function keptStore(
  deployment: KafkaDeployment,
  processor: string,
  [task, store]: readonly [string, string],
  engineKind: EngineKind = 'rocksdb',
): Promise<KeptStore> {
  const dir = join(deployment.stateDirOf(processor), deployment.applicationId, task, store);
  const engine = await openEngine(engineKind, { name: store, dir, logger: silentLogger });
  const entries = new Map<string, string>();
  for await (const { key, value } of engine.range()) entries.set(textOf(key), hexOf(value));
  const changelogOffset = (await engine.checkpoint())?.changelogOffset ?? -1;
  await engine.close();
  return { entries, changelogOffset };
}

interface CentroidHeader {
  readonly online: Float64Array;
  readonly clusterIds: readonly string[];
}

/** Whether a store of centroids holds what the oracle has worked out, bit for bit. */
export async function isAsWorkedOut(entries: Entries, final: Verdict['final']): Promise<boolean> {
  const stored = await centroidsIn(entries);
  if (final === undefined || stored === undefined) return false;
  const { records, clusterIds } = final;
  const bytes = (numbers: Float64Array) => Buffer.from(numbers.buffer).toString('hex');
  return (
    bytes(stored.header.online) === bytes(Float64Array.from(records.header)) &&
    clusterIds.every((id, slot) => {
      const numbers = stored.clusters.get(id);
      return (
        numbers !== undefined &&
        bytes(numbers.slice()) === bytes(Float64Array.from(records.clusters[slot]!))
      );
    })
  );
}

async function centroidsIn(entries: Entries) {
  const engine = new MemoryStore({ name: 'centroids' });
  await engine.open();
  const writes = [...entries].map(([key, value]) => ({
    key: new TextEncoder().encode(key),
    value: new Uint8Array(Buffer.from(value, 'hex')),
  }));
  await engine.write(writes);
  const store = new ChangelogStore({
    ...{ engine, applicationId: 'replay', taskId: 'fold_0', schemaVersion: 1 },
    clock: systemClock,
  });
  return new CentroidStore<CentroidHeader>(store).load();
}

/** sha256 over the sorted entries. */
export function hashOf(entries: Entries): string {
  const hash = createHash('sha256');
  for (const [key, value] of entries) hash.update(`${key.length} ${key} ${value}\n`);
  return hash.digest('hex');
}

export function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array(0));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
