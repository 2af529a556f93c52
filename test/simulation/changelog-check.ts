// A store is right when it holds what its changelog says up to the store's own offset, and nothing beyond what is committed.

import { changelogTopic } from '../../schemas/index.ts';
import type { StoreCheckpoint } from '../../state-stores/index.ts';
import type { ModelCluster } from './model-cluster.ts';
import { isVisible } from './model-partition.ts';

export interface StoreImage {
  readonly values: ReadonlyMap<string, Uint8Array>;
  readonly checkpoint: StoreCheckpoint | undefined;
}

interface Replayed {
  /** Up to this offset. */
  to: number;
  readonly values: Map<string, string>;
  progress: string;
  /** Whether records are among them whose transaction nobody has decided to commit. */
  hasOpen: boolean;
}

const progressKey = '\0meanstream.progress';

export class ChangelogCheck {
  readonly #cluster: ModelCluster;
  readonly #applicationId: string;
  /** Records as they were before the cleaner came, by partition. */
  readonly #remembered = new Map<string, { offset: number; key: string; value: string | null }[]>();

  /** The last replay of each partition: the next usually goes on there. */
  readonly #memos = new Map<string, Replayed>();

  constructor(cluster: ModelCluster, applicationId: string) {
    this.#cluster = cluster;
    this.#applicationId = applicationId;
  }

  /** To be called before the changelog of a task is compacted. */
  remember(task: string, store: string): void {
    const { name, partition } = this.#partition(task, store);
    const kept = this.#remembered.get(name) ?? [];
    const after = kept.at(-1)?.offset ?? -1;
    for (const entry of partition.entries) {
      if (entry.offset <= after || entry.offset >= partition.lastStable) continue;
      if (!isVisible(entry)) continue;
      kept.push({ offset: entry.offset, key: latin(entry.key)!, value: latin(entry.value) });
    }
    this.#remembered.set(name, kept);
  }

  /** @returns what is wrong with a store, in words. */
  faultOf(task: string, store: string, { values, checkpoint }: StoreImage): string | undefined {
    if (checkpoint === undefined) {
      return values.size === 0 ? undefined : `store ${store} of ${task} has data, no checkpoint`;
    }
    if (checkpoint.taskId !== task) return undefined;
    const { partition } = this.#partition(task, store);
    const { changelogOffset } = checkpoint;
    if (changelogOffset > partition.end) {
      return `store ${store} of ${task} is at ${changelogOffset}, its changelog ends at ${partition.end}`;
    }
    const replayed = this.#replay(task, store, changelogOffset);
    if (replayed.hasOpen) {
      return `store ${store} of ${task} is at ${changelogOffset}, beyond what is committed`;
    }
    const progress = JSON.stringify({
      inputOffsets: checkpoint.inputOffsets,
      streamTimeMs: checkpoint.streamTimeMs,
    });
    if (replayed.progress !== '' && progress !== replayed.progress) {
      return `store ${store} of ${task} at ${changelogOffset} says ${progress}, its changelog ${replayed.progress}`;
    }
    if (values.size !== replayed.values.size) return differs(task, store, changelogOffset);
    for (const [key, value] of values) {
      if (latin(value) !== replayed.values.get(key)) return differs(task, store, changelogOffset);
    }
    return undefined;
  }

  /** What the whole changelog of a task says, keys and values as latin1. */
  newest(task: string, store: string): ReadonlyMap<string, string> {
    return this.#replay(task, store, Number.POSITIVE_INFINITY).values;
  }

  #replay(task: string, store: string, to: number): Replayed {
    const { name, partition } = this.#partition(task, store);
    const memo = this.#memos.get(name);
    const replayed: Replayed =
      memo !== undefined && memo.to <= to
        ? { ...memo, values: new Map(memo.values) }
        : { to: 0, values: new Map(), progress: '', hasOpen: false };
    const apply = (key: string, value: string | null) => {
      if (key === progressKey) replayed.progress = value ?? '';
      else if (value === null) replayed.values.delete(key);
      else replayed.values.set(key, value);
    };
    const from = replayed.to;
    const remembered = this.#remembered.get(name) ?? [];
    for (const { offset, key, value } of remembered) {
      if (offset >= from && offset < to) apply(key, value);
    }
    const after = Math.max(from, (remembered.at(-1)?.offset ?? -1) + 1);
    const { entries } = partition;
    for (let at = partition.indexOf(after); at < entries.length; at++) {
      const { offset, isMarker, transaction, key, value } = entries[at]!;
      if (offset >= to) break;
      if (isMarker || transaction?.outcome === 'aborted') continue;
      if (transaction?.outcome === 'open' && !transaction.isDecided) replayed.hasOpen = true;
      apply(latin(key)!, latin(value));
    }
    replayed.to = to;
    if (!replayed.hasOpen && to <= partition.end) this.#memos.set(name, replayed);
    return replayed;
  }

  #partition(task: string, store: string) {
    const topic = changelogTopic(this.#applicationId, store);
    const partition = Number(task.slice(task.lastIndexOf('_') + 1));
    return {
      name: `${topic}-${partition}`,
      partition: this.#cluster.partition({ topic, partition }),
    };
  }
}

function differs(task: string, store: string, at: number): string {
  return `store ${store} of ${task} at ${at} is not what its changelog says`;
}

function latin(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('latin1');
}
