// The product itself, with few clusters in two dimensions: first model, learning, a retrained model promoted on the way, and now and
// then a rollback. The oracle of the crash tests has the last word.

import type { TopicPartition } from '../../broker/index.ts';
import {
  type Assignment,
  compareVersions,
  decodeModel,
  encodeModel,
  encodeModelCommand,
  generationOf,
  modelKey,
  RecordBatchBuilder,
  topicSpecs,
  topics,
} from '../../schemas/index.ts';
import { CentroidStore, type KeyValueStore } from '../../state-stores/index.ts';
import { clusteringTopology } from '../../topology/index.ts';
import { judge } from '../oracle/clustering-oracle.ts';
import { decodeLogs, headerOf, type RecordedRecord } from '../oracle/decode-logs.ts';
import { visible } from './counting-workload.ts';
import type { ModelCluster } from './model-cluster.ts';
import type { Feeding, Workload } from './workload.ts';

const partitions = 2;
const k = 3;
const seed = 5;
const halfLife = { unit: 'points', value: 150 } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const inputs = [
  { topic: topics.points, partition: 0 },
  { topic: topics.points, partition: 1 },
  ...[topics.centroidDeltas, topics.modelCommands, topics.quality].map((topic) => ({
    ...{ topic, partition: 0 },
  })),
];

export class ClusteringWorkload implements Workload {
  readonly topics = topicSpecs({ partitions, replicationFactor: 1, pointsRetentionMs: -1 });
  readonly inputs: readonly TopicPartition[] = inputs;
  readonly changelogs = [
    { subTopology: 'fold', stores: ['centroids'] },
    { subTopology: 'detect-drift', stores: ['drift'] },
  ];

  topology() {
    return clusteringTopology({
      model: { k, seed, halfLife },
      bootstrap: { rows: 40, waitMs: 300 },
      points: { format: 'json', bytesMax: 1_000 },
      drift: { windowPoints: 50 },
      codeVersion: 'simulated',
    });
  }

  feed({ scheduler, cluster, random, durationMs }: Feeding): void {
    const put = (topic: string, partition: number, key: Uint8Array, values: Uint8Array[]) => {
      const records = new RecordBatchBuilder(8, 1_024);
      for (const value of values) records.append(scheduler.nowMs(), key, value);
      void cluster.produce({ topic, partition }, records);
    };
    const point = () => {
      if (random.below(25) === 0) return encoder.encode('{"vector":[1,');
      const [x, y] = [10 * random.below(k) + random.normal(), 5 * random.normal()];
      return encoder.encode(JSON.stringify({ vector: [x, y] }));
    };
    for (let burst = 0; burst < 40; burst++) {
      scheduler.after(random.below(durationMs), () => {
        const points = Array.from({ length: 1 + random.below(8) }, point);
        put(topics.points, random.below(partitions), encoder.encode(`p${burst}`), points);
      });
    }
    scheduler.after(durationMs * (0.4 + 0.5 * random.float()), () => {
      const models = visible(cluster, { topic: topics.models, partition: 0 });
      const newest = models.findLast(({ key }) => decoder.decode(key!).includes('current'));
      if (newest === undefined) return;
      const { version: parent, ...model } = decodeModel(newest.value!);
      const version = '1.1.0';
      const candidate = { ...model, version, parent, origin: 'retrain' as const, deltaOffset: -1 };
      put(topics.models, 0, modelKey(version), [encodeModel(candidate)]);
      const about = { requestedBy: 'test', reason: 'better', timestampMs: 1 };
      const command = encodeModelCommand({ command: 'promote', version, ...about });
      put(topics.modelCommands, 0, encoder.encode('default'), [command]);
    });
    scheduler.after(durationMs * (0.4 + 0.5 * random.float()), () => {
      const about = { requestedBy: 'test', reason: 'worse', timestampMs: 1 };
      const command = encodeModelCommand({ command: 'rollback', ...about });
      put(topics.modelCommands, 0, encoder.encode('default'), [command]);
    });
  }

  check(
    cluster: ModelCluster,
    committed: (input: TopicPartition) => number | undefined,
  ): string | undefined {
    for (let partition = 0; partition < partitions; partition++) {
      const fault = checkPartition(
        cluster,
        partition,
        committed({ topic: topics.points, partition }),
      );
      if (fault !== undefined) return fault;
    }
    return checkVersions(recorded(cluster, topics.models, 1));
  }

  async atEnd(
    cluster: ModelCluster,
    state: (task: string, store: string) => ReadonlyMap<string, string>,
  ): Promise<string | undefined> {
    const logs = decodeLogs({
      points: recorded(cluster, topics.points, partitions),
      assignments: recorded(cluster, topics.assignments, partitions),
      deadLetters: recorded(cluster, topics.deadLetters, partitions),
      centroidDeltas: recorded(cluster, topics.centroidDeltas, 1),
      models: recorded(cluster, topics.models, 1),
    });
    const verdict = judge(logs, { format: 'json', k, scaling: true, seed, halfLife });
    if (verdict.findings.length > 0) return verdict.findings.join('; ');
    if (verdict.final === undefined) return 'there is no model in the end';
    const stored = await new CentroidStore<{ clusterIds: string[]; online: Float64Array }>(
      storeOf(state('fold_0', 'centroids')),
    ).load();
    const { records, clusterIds } = verdict.final;
    const [found, expected] = [
      [stored?.header.clusterIds, stored?.header.online],
      [clusterIds, records.header],
    ].map((it) => JSON.stringify(it));
    return found === expected ? undefined : `the state is ${found}, not ${expected}`;
  }
}

/** In = out + dead letters, each once, in order. */
function checkPartition(
  cluster: ModelCluster,
  partition: number,
  committed: number | undefined,
): string | undefined {
  const sources: number[] = [];
  for (const { value } of visible(cluster, { topic: topics.assignments, partition })) {
    const { offset } = JSON.parse(decoder.decode(value!)) as Assignment;
    if (offset <= (sources.at(-1) ?? -1)) return `points-${partition}: ${offset} came out late`;
    sources.push(offset);
  }
  for (const record of recordsOf(cluster, topics.deadLetters, partition)) {
    sources.push(Number(headerOf(record, '__streams.errors.offset')));
  }
  if (new Set(sources).size !== sources.length) return `points-${partition}: one came out twice`;
  const isSettled = [topics.assignments, topics.deadLetters].every(
    (topic) => cluster.partition({ topic, partition }).isSettled,
  );
  if (!isSettled || committed === undefined || sources.length === committed) return undefined;
  return `points-${partition}: committed to ${committed}, ${sources.length} came out`;
}

/** The current version only rises; a generation, once left, does not come back. */
function checkVersions(models: readonly RecordedRecord[]): string | undefined {
  let newest: string | undefined;
  for (const { key, value } of models) {
    if (!decoder.decode(key!).includes('current')) continue;
    const { version } = decodeModel(value!);
    const isOlder = newest !== undefined && compareVersions(version, newest) < 0;
    if (isOlder) return `version ${version} (${generationOf(version)}) came after ${newest}`;
    newest = version;
  }
  return undefined;
}

function recorded(cluster: ModelCluster, topic: string, count: number): RecordedRecord[] {
  return Array.from({ length: count }, (_, partition) =>
    recordsOf(cluster, topic, partition),
  ).flat();
}

function recordsOf(cluster: ModelCluster, topic: string, partition: number): RecordedRecord[] {
  return visible(cluster, { topic, partition }).map((entry) => ({ ...entry, partition }));
}

function storeOf(values: ReadonlyMap<string, string>): KeyValueStore {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  const name = 'centroids';
  return {
    name,
    get: async (key) => {
      const value = values.get(Buffer.from(key).toString('latin1'));
      return value === undefined ? undefined : bytes(value);
    },
    async *range({ from = new Uint8Array(0), to } = {}) {
      const [start, end] = [from, to].map((key) => key && Buffer.from(key).toString('latin1'));
      for (const key of [...values.keys()].sort()) {
        if (key < start! || (end !== undefined && key >= end)) continue;
        yield { key: bytes(key), value: bytes(values.get(key)!) };
      }
    },
    put: () => {},
    delete: () => {},
  };
}
