// The committed offsets of one group. Offsets of a transaction are pending until its marker comes.

import type { CommittedOffset, TopicPartition } from '../../broker/index.ts';
import { FencedError, type Producer } from './model-partition.ts';

/** A commit is under way there: ask again. */
export class UnstableError extends Error {}

export class OffsetTable {
  readonly group: string;
  readonly #committed = new Map<string, CommittedOffset>();
  readonly #pending = new Map<number, readonly CommittedOffset[]>();
  readonly #epochs = new Map<number, number>();
  readonly #onCommit: (offsets: readonly CommittedOffset[]) => void;

  constructor(group: string, onCommit: (offsets: readonly CommittedOffset[]) => void) {
    this.group = group;
    this.#onCommit = onCommit;
  }

  add(producer: Producer, offsets: readonly CommittedOffset[]): void {
    this.#checkEpoch(producer);
    this.#pending.set(producer.id, offsets);
  }

  mark(producer: Producer, isCommit: boolean): void {
    this.#checkEpoch(producer);
    const offsets = this.#pending.get(producer.id) ?? [];
    this.#pending.delete(producer.id);
    if (!isCommit) return;
    for (const offset of offsets) this.#committed.set(nameOf(offset), offset);
    this.#onCommit(offsets);
  }

  read(partitions: readonly TopicPartition[]): CommittedOffset[] {
    const pending = [...this.#pending.values()].flat().map(nameOf);
    if (partitions.some((partition) => pending.includes(nameOf(partition)))) {
      throw new UnstableError(this.group);
    }
    return partitions
      .map((partition) => this.#committed.get(nameOf(partition)))
      .filter((offset) => offset !== undefined);
  }

  /** Undefined while a commit is under way. */
  committed(partition: TopicPartition): number | undefined {
    if (this.#pending.size > 0) return undefined;
    return this.#committed.get(nameOf(partition))?.offset ?? 0;
  }

  clear(): void {
    this.#committed.clear();
  }

  #checkEpoch({ id, epoch }: Producer): void {
    if ((this.#epochs.get(id) ?? -1) > epoch) throw new FencedError(`epoch ${epoch}`);
    this.#epochs.set(id, epoch);
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
