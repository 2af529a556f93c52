// A store with a changelog: what a processor reads and writes, and what the runtime commits.
//
// The runtime calls, in this order:
//
//   1. recover({ logStart, end, ageMsMax })   after fencing: judges the engine's checkpoint against the changelog, wipes
//                                             what cannot be trusted, and says at which changelog offset to read on
//   2. restore(batch)                         for every batch of the changelog from there to `end`, also an empty one;
//                                             written with its offset, atomically. `progress` then says how far the
//                                             state goes; it equals the committed input offsets
//   3. get / range / put / delete             by processors. Writes stay in the overlay, reads see them
//   4. takeChangelog(progress, timestampMs)   seals the overlay and gives its records, the progress record last: part
//                                             of the task's transaction. Call it in every commit. New puts go to a new
//                                             overlay above the sealed one
//   5. commitTo(changelogOffset)              only once the commit is confirmed: the sealed overlay and the checkpoint
//                                             in one engine write. `changelogOffset` is the records' baseOffset + n
//      dropOverlay()                          instead, after a failed or unknown commit: forgets 3 and 4. Then the
//                                             writer is replaced and the task begins again at 1
//   6. the engine is the caller's: close it after the last commit
//
// Reads look at overlay, then sealed overlay, then engine; so nobody sees the engine between a commit and its write.

import { type RecordBatch, RecordBatchBuilder } from '../schemas/index.ts';
import { assert, type Clock, TaskCorruptedError } from '../support/index.ts';
import { keyBytes, keyText } from './memory.ts';
import {
  decodeProgress,
  encodeProgress,
  isProgressKey,
  progressKey,
  type StoreProgress,
} from './progress.ts';
import type {
  KeyValueStore,
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreEntry,
  StoreWrite,
} from './state-store.ts';

export interface ChangelogStoreOptions {
  /** Open, and this task's own. */
  readonly engine: StateStore;
  readonly applicationId: string;
  readonly taskId: string;
  readonly schemaVersion: number;
  readonly clock: Clock;
}

/** The changelog partition as the broker describes it, and how old a store may be (the topic's delete.retention.ms). */
export interface ChangelogBounds {
  readonly logStart: number;
  readonly end: number;
  readonly ageMsMax: number;
}

export interface Recovery {
  /** The changelog offset to restore from. */
  readonly restoreFrom: number;
  /** Why the engine was wiped, as a sentence for the log; absent when it was kept. */
  readonly wipedBecause?: string;
}

type Overlay = Map<string, Uint8Array | null>;

export class ChangelogStore implements KeyValueStore {
  readonly name: string;
  readonly #options: ChangelogStoreOptions;
  readonly #engine: StateStore;
  readonly #records = new RecordBatchBuilder();
  #overlay: Overlay = new Map();
  #sealed: { writes: Overlay; progress: StoreProgress } | undefined;
  #progress: StoreProgress | undefined;
  #changelogOffset = 0;

  constructor(options: ChangelogStoreOptions) {
    this.#options = options;
    this.#engine = options.engine;
    this.name = options.engine.name;
  }

  /** What the committed state has taken in; undefined for a store that never saw a commit. */
  get progress(): StoreProgress | undefined {
    return this.#progress;
  }

  /** The next changelog offset after what the engine holds. */
  get changelogOffset(): number {
    return this.#changelogOffset;
  }

  /** How far the engine says it goes, before `recover` has judged it. */
  async storedOffset(): Promise<number | undefined> {
    return (await this.#engine.checkpoint().catch(() => undefined))?.changelogOffset;
  }

  /** Puts and deletes since the last `takeChangelog`: with none there is nothing of this store to commit. */
  get pendingWrites(): number {
    return this.#overlay.size;
  }

  async recover(bounds: ChangelogBounds): Promise<Recovery> {
    this.dropOverlay();
    const judged = await this.#judge(bounds);
    if (judged.checkpoint !== undefined) {
      this.#progress = progressOf(judged.checkpoint);
      this.#changelogOffset = judged.checkpoint.changelogOffset;
      return { restoreFrom: this.#changelogOffset };
    }
    await this.#engine.wipe();
    this.#progress = undefined;
    this.#changelogOffset = bounds.logStart;
    const { wipedBecause } = judged;
    return {
      restoreFrom: bounds.logStart,
      ...(wipedBecause === undefined ? {} : { wipedBecause }),
    };
  }

  /** For a restore of many records. */
  async setBulk(isBulk: boolean): Promise<void> {
    await this.#engine.setBulk?.(isBulk);
  }

  /** One atomic write. The batch may be given back at once: it is copied before this returns. */
  async restore(batch: RecordBatch): Promise<void> {
    assert(this.#overlay.size === 0, `Store ${this.name} is restored over an open transaction.`);
    const { from, bytes } = bytesOf(batch);
    const field = (start: number, end: number) =>
      end < 0 ? null : bytes.subarray(start - from, end - from);
    const writes: StoreWrite[] = [];
    for (let row = 0; row < batch.n; row += 1) {
      const key = field(batch.keyStarts[row]!, batch.keyEnds[row]!);
      assert(key !== null, `The changelog of store ${this.name} holds a record without a key.`);
      const value = field(batch.valueStarts[row]!, batch.valueEnds[row]!);
      if (!isProgressKey(key)) writes.push({ key, value });
      else if (value !== null) this.#progress = decodeProgress(value);
    }
    await this.#write(writes, batch.nextOffset);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const text = keyText(key);
    for (const layer of [this.#overlay, this.#sealed?.writes]) {
      const value = layer?.get(text);
      if (value !== undefined) return value ?? undefined;
    }
    return this.#engine.get(key);
  }

  async *range(options: RangeOptions = {}): AsyncIterable<StoreEntry> {
    const pending = this.#pendingIn(options);
    let next = 0;
    for await (const entry of this.#engine.range(options)) {
      const text = keyText(entry.key);
      for (; next < pending.length && pending[next]![0] < text; next += 1) {
        yield* present(pending[next]!);
      }
      if (next < pending.length && pending[next]![0] === text) {
        yield* present(pending[next]!);
        next += 1;
      } else {
        yield entry;
      }
    }
    for (; next < pending.length; next += 1) yield* present(pending[next]!);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    assert(!isProgressKey(key), `Store ${this.name} keeps its progress under this key.`);
    this.#overlay.set(keyText(key), value);
  }

  delete(key: Uint8Array): void {
    assert(!isProgressKey(key), `Store ${this.name} keeps its progress under this key.`);
    this.#overlay.set(keyText(key), null);
  }

  /** @returns records to append to the changelog; valid until the next call. */
  takeChangelog(progress: StoreProgress, timestampMs: number): RecordBatchBuilder {
    assert(this.#sealed === undefined, `Store ${this.name} has a transaction to finish first.`);
    this.#records.clear();
    for (const [key, value] of this.#overlay) {
      this.#records.append(timestampMs, keyBytes(key), value);
    }
    this.#records.append(timestampMs, progressKey, encodeProgress(progress));
    this.#sealed = { writes: this.#overlay, progress };
    this.#overlay = new Map();
    return this.#records;
  }

  async commitTo(changelogOffset: number): Promise<void> {
    const sealed = this.#sealed;
    assert(sealed !== undefined, `Store ${this.name} has no transaction to commit.`);
    assert(
      changelogOffset > this.#changelogOffset,
      `Store ${this.name} is at changelog offset ${this.#changelogOffset}; it cannot go to ${changelogOffset}.`,
    );
    this.#progress = sealed.progress;
    const writes: StoreWrite[] = [];
    for (const [key, value] of sealed.writes) writes.push({ key: keyBytes(key), value });
    await this.#write(writes, changelogOffset);
    this.#sealed = undefined;
  }

  dropOverlay(): void {
    this.#overlay = new Map();
    this.#sealed = undefined;
  }

  async #write(writes: readonly StoreWrite[], changelogOffset: number): Promise<void> {
    const { applicationId, taskId, schemaVersion, clock } = this.#options;
    await this.#engine.write(writes, {
      applicationId,
      taskId,
      storeName: this.name,
      schemaVersion,
      changelogOffset,
      inputOffsets: this.#progress?.inputOffsets ?? {},
      ...(this.#progress === undefined ? {} : { streamTimeMs: this.#progress.streamTimeMs }),
      writtenAtMs: clock.nowMs(),
    });
    this.#changelogOffset = changelogOffset;
  }

  /** @returns the checkpoint when it can be trusted, else why not; neither for a new store. */
  async #judge(
    bounds: ChangelogBounds,
  ): Promise<{ checkpoint?: StoreCheckpoint; wipedBecause?: string }> {
    try {
      const checkpoint = await this.#engine.checkpoint();
      const fault = checkpoint === undefined ? undefined : this.#faultOf(checkpoint, bounds);
      if (fault !== undefined) return { wipedBecause: fault };
      return checkpoint === undefined ? {} : { checkpoint };
    } catch (error) {
      if (error instanceof TaskCorruptedError) return { wipedBecause: error.message };
      throw error;
    }
  }

  #faultOf(checkpoint: StoreCheckpoint, bounds: ChangelogBounds): string | undefined {
    const { clock } = this.#options;
    const { changelogOffset, writtenAtMs } = checkpoint;
    const stranger = strangerFault(checkpoint, { ...this.#options, storeName: this.name });
    if (stranger !== undefined) return stranger;
    if (changelogOffset < bounds.logStart) {
      return `Changelog of ${this.name} starts at offset ${bounds.logStart} but the store is at ${changelogOffset}; it will be rebuilt.`;
    }
    if (changelogOffset > bounds.end) {
      return `Changelog of ${this.name} ends at offset ${bounds.end} but the store is at ${changelogOffset}; it will be rebuilt.`;
    }
    const ageMs = clock.nowMs() - writtenAtMs;
    if (changelogOffset < bounds.end && ageMs > bounds.ageMsMax) {
      return `Store ${this.name} is ${ageMs} ms old and may have missed deletions, kept for ${bounds.ageMsMax} ms; it will be rebuilt.`;
    }
    return undefined;
  }

  #pendingIn({ from, to }: RangeOptions): [string, Uint8Array | null][] {
    const start = from === undefined ? '' : keyText(from);
    const end = to === undefined ? undefined : keyText(to);
    return [...new Map([...(this.#sealed?.writes ?? []), ...this.#overlay])]
      .filter(([key]) => key >= start && (end === undefined || key < end))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Why a store is not the one that is wanted; undefined when it is. */
export function strangerFault(
  checkpoint: StoreCheckpoint,
  wanted: Pick<StoreCheckpoint, 'applicationId' | 'taskId' | 'storeName' | 'schemaVersion'>,
): string | undefined {
  const { applicationId, taskId, storeName, schemaVersion } = wanted;
  const owner = `${checkpoint.applicationId} ${checkpoint.taskId} ${checkpoint.storeName}`;
  if (owner !== `${applicationId} ${taskId} ${storeName}`) {
    return `Store ${storeName} of ${taskId} was written as ${owner}; it will be rebuilt.`;
  }
  if (checkpoint.schemaVersion !== schemaVersion) {
    return `Store ${storeName} has schema ${checkpoint.schemaVersion} where ${schemaVersion} is read; it will be rebuilt.`;
  }
  return undefined;
}

/** A copy of what lies between the first and the last field of a batch, and where that begins. */
function bytesOf({ n, bytes, keyStarts, keyEnds, valueStarts, valueEnds }: RecordBatch) {
  let from = bytes.length;
  let to = 0;
  const cover = (start: number, end: number) => {
    if (end < 0) return;
    from = Math.min(from, start);
    to = Math.max(to, end);
  };
  for (let row = 0; row < n; row += 1) {
    cover(keyStarts[row]!, keyEnds[row]!);
    cover(valueStarts[row]!, valueEnds[row]!);
  }
  return { from, bytes: bytes.slice(from, Math.max(from, to)) };
}

function* present([key, value]: [string, Uint8Array | null]): Iterable<StoreEntry> {
  if (value !== null) yield { key: keyBytes(key), value };
}

function progressOf(checkpoint: StoreCheckpoint): StoreProgress | undefined {
  const { inputOffsets, streamTimeMs } = checkpoint;
  return streamTimeMs === undefined ? undefined : { inputOffsets, streamTimeMs };
}
