// What a simulated application does, and what must be true of it.

import type { TopicPartition } from '../../broker/index.ts';
import type { TopicSpec } from '../../schemas/index.ts';
import type { Random } from '../../support/index.ts';
import type { Topology } from '../../topology/index.ts';
import type { ModelCluster } from './model-cluster.ts';
import type { Scheduler } from './scheduler.ts';

export interface Feeding {
  readonly scheduler: Scheduler;
  readonly cluster: ModelCluster;
  readonly random: Random;
  readonly durationMs: number;
}

export interface Workload {
  readonly topics: readonly TopicSpec[];
  /** All that has to be consumed in the end. */
  readonly inputs: readonly TopicPartition[];
  readonly changelogs: readonly {
    readonly subTopology: string;
    readonly stores: readonly string[];
  }[];
  topology(): Topology;
  /** Puts records into the log over the time given. */
  feed(feeding: Feeding): void;
  /** @returns what is wrong with what is visible now, in words. */
  check(
    cluster: ModelCluster,
    committed: (input: TopicPartition) => number | undefined,
  ): string | undefined;
  /** The same once everything is through; `state` is what the changelog of a task's store says. */
  atEnd?(
    cluster: ModelCluster,
    state: (task: string, store: string) => ReadonlyMap<string, string>,
  ): Promise<string | undefined>;
}
