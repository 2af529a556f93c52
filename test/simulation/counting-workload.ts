// The counting topology, with an oracle that folds the input of each partition once more, record by record.

import type { TopicPartition } from '../../broker/index.ts';
import { RecordBatchBuilder } from '../../schemas/index.ts';
import { badValue, countingTopology, nextTotal } from './counting-topology.ts';
import type { ModelCluster } from './model-cluster.ts';
import { isVisible, type LogEntry } from './model-partition.ts';
import type { Feeding, Workload } from './workload.ts';

const partitions = 2;
const keys = 6;
const spec = { partitions, replicationFactor: 1, configs: {} };
const decoder = new TextDecoder();
const encoder = new TextEncoder();
const text = (bytes: Uint8Array | null): string => decoder.decode(bytes ?? new Uint8Array(0));

export class CountingWorkload implements Workload {
  readonly topics = ['in', 'out', 'dead-letters'].map((name) => ({ name, ...spec }));
  readonly inputs = Array.from({ length: partitions }, (_, partition) => ({
    topic: 'in',
    partition,
  }));
  readonly changelogs = [{ subTopology: 'count', stores: ['totals'] }];
  /** The expected outputs by partition, made while the input comes. */
  readonly #expected = this.inputs.map((): { key: string; out: string; isDead: boolean }[] => []);
  readonly #totals = this.inputs.map(() => new Map<string, string>());

  topology() {
    return countingTopology();
  }

  feed({ scheduler, cluster, random, durationMs }: Feeding): void {
    const bursts = 20 + random.below(40);
    for (let burst = 0; burst < bursts; burst++) {
      scheduler.after(random.below(durationMs), () => {
        const partition = random.below(partitions);
        const records = new RecordBatchBuilder(16, 256);
        const rows = 1 + random.below(12);
        for (let row = 0; row < rows; row++) {
          const key = `k${random.below(keys)}`;
          const value = random.below(12) === 0 ? badValue : String(random.float());
          records.append(scheduler.nowMs(), encoder.encode(key), encoder.encode(value));
          this.#expect(partition, key, value);
        }
        void cluster.produce({ topic: 'in', partition }, records);
      });
    }
  }

  check(
    cluster: ModelCluster,
    committed: (input: TopicPartition) => number | undefined,
  ): string | undefined {
    for (const input of this.inputs) {
      const { partition } = input;
      const expected = this.#expected[partition]!;
      const at = { total: -1, dead: -1 };
      let came = 0;
      for (const [topic, isDead] of [
        ['out', false],
        ['dead-letters', true],
      ] as const) {
        for (const entry of visible(cluster, { topic, partition })) {
          const value = text(entry.value);
          const source = Number(value.split(' ')[0]);
          const last = isDead ? at.dead : at.total;
          if (source <= last) return `${topic}-${partition}: input ${source} came after ${last}`;
          if (isDead) at.dead = source;
          else at.total = source;
          const { key, out, isDead: mustDie } = expected[source] ?? { key: '', out: '' };
          if (isDead !== mustDie) return `${topic}-${partition}: input ${source} is not for it`;
          if (text(entry.key) !== key || value !== out) {
            return `${topic}-${partition}: input ${source} gave ${text(entry.key)} ${value}, not ${key} ${out}`;
          }
          came += 1;
        }
      }
      // The markers of one transaction come one by one: between them nothing can be said.
      const isSettled = ['out', 'dead-letters'].every(
        (topic) => cluster.partition({ topic, partition }).isSettled,
      );
      if (!isSettled || committed(input) === undefined) continue;
      // Sources are unique and rise, so their number says whether one is missing.
      const newest = Math.max(at.total, at.dead);
      if (came !== newest + 1) return `in-${partition}: ${newest + 1} in, ${came} out`;
      if (came !== committed(input)) {
        return `in-${partition}: committed to ${committed(input)}, ${came} came out`;
      }
    }
    return undefined;
  }

  async atEnd(
    _: ModelCluster,
    state: (task: string, store: string) => ReadonlyMap<string, string>,
  ): Promise<string | undefined> {
    for (const [partition, totals] of this.#totals.entries()) {
      const sorted = (entries: Iterable<[string, string]>) => JSON.stringify([...entries].sort());
      const found = sorted(state(`count_${partition}`, 'totals').entries());
      if (found !== sorted(totals)) {
        return `the state of ${partition} is ${found}, not ${sorted(totals)}`;
      }
    }
    return undefined;
  }

  #expect(partition: number, key: string, value: string): void {
    const source = this.#expected[partition]!.length;
    const isDead = value === badValue;
    if (isDead) {
      this.#expected[partition]!.push({ key, out: `${source}`, isDead });
      return;
    }
    const totals = this.#totals[partition]!;
    const total = nextTotal(totals.get(key), Number(value));
    if (total === undefined) totals.delete(key);
    else totals.set(key, total);
    this.#expected[partition]!.push({ key, out: `${source} ${total}`, isDead });
  }
}

export function visible(cluster: ModelCluster, at: TopicPartition): LogEntry[] {
  const partition = cluster.partition(at);
  const end = partition.lastStable;
  return partition.entries.filter((entry) => entry.offset < end && isVisible(entry));
}
