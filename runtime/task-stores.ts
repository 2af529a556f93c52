// The stores of one task: opened, restored, committed and closed together.

import type { Append, AppendedAt, CommittedOffset, TopicPartition } from '../broker/index.ts';
import { changelogTopic } from '../schemas/index.ts';
import { ChangelogStore, type StateStore, type StoreProgress } from '../state-stores/index.ts';
import { crashPoint, FatalError, RetriableError, TaskCorruptedError } from '../support/index.ts';
import { restoreStore } from './restore.ts';
import type { TaskEnvironment } from './task-environment.ts';
import type { TaskPlan } from './task-plan.ts';
import { inputName } from './task-sources.ts';

interface Entry {
  readonly engine: StateStore;
  readonly store: ChangelogStore;
  readonly topic: string;
  readonly usedBy: readonly string[];
}

export class TaskStores {
  readonly #taskId: string;
  readonly #plan: TaskPlan;
  readonly #partition: number;
  readonly #environment: TaskEnvironment;
  readonly #entries: Entry[] = [];
  readonly #remaining = new Map<string, number>();
  #restoreStartedMs = 0;
  #restored = 0;
  #offset = 0;

  constructor(taskId: string, plan: TaskPlan, partition: number, environment: TaskEnvironment) {
    this.#taskId = taskId;
    this.#plan = plan;
    this.#partition = partition;
    this.#environment = environment;
  }

  /** Changelog records left to restore, of all stores. */
  get restoreRemaining(): number {
    return [...this.#remaining.values()].reduce((sum, records) => sum + records, 0);
  }

  /** At the rate so far; null when nothing is being restored. */
  get restoreSecondsLeft(): number | null {
    if (this.#restored === 0 || this.restoreRemaining === 0) return null;
    const tookMs = this.#environment.clock.monotonicMs() - this.#restoreStartedMs;
    return Math.ceil((this.restoreRemaining * tookMs) / this.#restored / 1000);
  }

  /** The sum of the next changelog offsets; once closed, what it was last. */
  get changelogOffset(): number {
    if (this.#entries.length === 0) return this.#offset;
    return this.#entries.reduce((sum, { store }) => sum + store.changelogOffset, 0);
  }

  /** Each store with its changelog partition. */
  get changelogs(): readonly { readonly store: ChangelogStore; readonly at: TopicPartition }[] {
    return this.#entries.map(({ store, topic }) => ({
      store,
      at: { topic, partition: this.#partition },
    }));
  }

  get pendingWrites(): number {
    return this.#entries.reduce((sum, { store }) => sum + store.pendingWrites, 0);
  }

  /** The state's own account of how far the input is taken in; the same in every store. */
  get progress(): StoreProgress | undefined {
    return this.#entries[0]?.store.progress;
  }

  find(name: string, processor: string): ChangelogStore | undefined {
    const entry = this.#entries.find(({ store }) => store.name === name);
    return entry?.usedBy.includes(processor) ? entry.store : undefined;
  }

  async open(wipe: boolean): Promise<void> {
    const { applicationId, clock } = this.#environment;
    for (const { name, schemaVersion, usedBy } of this.#plan.subTopology.stores) {
      const engine = await this.#environment.openStore(this.#taskId, name);
      const taskId = this.#taskId;
      const store = new ChangelogStore({ engine, applicationId, taskId, schemaVersion, clock });
      this.#entries.push({ engine, store, usedBy, topic: changelogTopic(applicationId, name) });
      if (wipe) await engine.wipe();
    }
  }

  async restore(signal: AbortSignal): Promise<void> {
    const { broker, logger, metrics, clock } = this.#environment;
    this.#restoreStartedMs = clock.monotonicMs();
    this.#restored = 0;
    try {
      for (const { store, topic } of this.#entries) {
        const changelog = { topic, partition: this.#partition };
        const onRemaining = (records: number) => {
          metrics.restoreRemaining.inc(records - (this.#remaining.get(topic) ?? 0));
          this.#remaining.set(topic, records);
        };
        const onRestored = (records: number, bytes: number) => {
          this.#restored += records;
          metrics.restoredRecords.inc({ role: 'owner' }, records);
          metrics.restoredBytes.inc({ role: 'owner' }, bytes);
        };
        const options = { broker, changelog, logger, signal, onRemaining, onRestored };
        await restoreStore(store, options);
      }
    } finally {
      metrics.restoreRemaining.dec(this.restoreRemaining);
      this.#remaining.clear();
    }
  }

  /**
   * State and input offsets move in one transaction, so they can only differ when somebody else moved or forgot the offsets.
   * @returns what to stop with then: going on would count records twice or not at all.
   */
  faultAgainst(
    inputs: readonly TopicPartition[],
    committed: readonly CommittedOffset[],
  ): FatalError | undefined {
    for (const { store } of this.#entries) {
      for (const input of inputs) {
        const taken = store.progress?.inputOffsets[inputName(input)];
        const offset = offsetOf(committed, input);
        if (taken === undefined || taken === offset) continue;
        const known =
          offset === undefined ? 'the group has no offset' : `the group's offset is ${offset}`;
        return new FatalError(
          `Store ${store.name} of task ${this.#taskId} has taken in ${inputName(input)} up to offset ${taken}, ` +
            `but ${known}; ${this.#remedy(taken, offset)}`,
          { taskId: this.#taskId, store: store.name, ...input, offset: offset ?? null },
        );
      }
    }
    return undefined;
  }

  #remedy(taken: number, offset: number | undefined): string {
    const reset = 'if the group was moved on purpose, run `meanstream reset`.';
    if (offset === undefined) {
      return (
        'Kafka forgets the offsets of a group that had no member for offsets.retention.minutes: set this one again ' +
        `(kafka-consumer-groups --reset-offsets --to-offset ${taken}); ${reset}`
      );
    }
    const crashed =
      taken > offset
        ? 'if a process that promised at_least_once has crashed, start with that guarantee once more; '
        : '';
    return `${crashed}${reset}`;
  }

  /**
   * At least once: a crash leaves the group's offsets behind the state, and an owner of before may have moved them ahead of
   * what the next had taken in. @returns for each input the lower of the two: from there on nothing is left out.
   */
  notAhead(committed: readonly CommittedOffset[]): CommittedOffset[] {
    return committed.map((of) => {
      const taken = this.#entries.map(({ store }) => store.progress?.inputOffsets[inputName(of)]);
      const known = taken.filter((offset) => offset !== undefined);
      return { ...of, offset: Math.min(of.offset, ...known) };
    });
  }

  /** Seals the open changes: this task's part of the transaction for its changelogs. */
  takeAppends(progress: StoreProgress, timestampMs: number): Append[] {
    return this.#entries.map(({ store, topic }) => ({
      topic,
      partition: this.#partition,
      records: store.takeChangelog(progress, timestampMs),
    }));
  }

  /**
   * Once the transaction is confirmed: overlay and checkpoint, one atomic write a store. `appended` and `appends` are
   * those of `takeAppends`, in its order.
   * @throws RetriableError when the disk refuses: the log has it, the store is behind, the task is re-opened.
   */
  async commitTo(appends: readonly Append[], appended: readonly AppendedAt[]): Promise<void> {
    for (const [i, { store }] of this.#entries.entries()) {
      try {
        const stored = store.commitTo(appended[i]!.baseOffset + appends[i]!.records.n);
        crashPoint('storing');
        await stored;
      } catch (error) {
        if (error instanceof TaskCorruptedError) throw error;
        throw new RetriableError(
          `Store ${store.name} of task ${this.#taskId} could not be written after a commit; it will be restored.`,
          { cause: error, store: store.name },
        );
      }
    }
  }

  async close(): Promise<void> {
    this.#offset = this.changelogOffset;
    for (const { store, engine } of this.#entries.splice(0)) {
      store.dropOverlay();
      await engine.close();
    }
  }
}

export function offsetOf(
  offsets: readonly CommittedOffset[],
  { topic, partition }: TopicPartition,
): number | undefined {
  return offsets.find((of) => of.topic === topic && of.partition === partition)?.offset;
}
