// The LevelDB under the embedded log, and its one queue of writes. Commits are written in the order they were handed
// in; those that wait while a write is under way go together into the next one, which LevelDB applies whole or not at
// all. LevelDB's log is handed to the operating system at once: it survives a kill -9 of the process, and after a
// power cut its tail may be gone, whole commits at a time. LevelDB reads its tables without checking them, so their checksums
// are compared before it opens them: batches have one of their own, but an offset with a flipped digit is an offset.

import { mkdir } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import {
  CommitOutcomeUnknownError,
  DependencyDownError,
  damagedTables,
  FatalError,
  type Logger,
  RetriableError,
} from '../../support/index.ts';
import type { KeyRange } from './log-keys.ts';

export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

interface PendingWrite {
  readonly operations: readonly Operation[];
  readonly size: number;
  /** Makes the write visible; called in order, before anybody waiting for it goes on. */
  readonly apply: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Waiting writes may hold this much; more are refused until it is less. */
const pendingBytesMax = 256 * 1_048_576;
/** One LevelDB write holds about this much. */
const groupBytesMax = 16 * 1_048_576;
const levelOptions = {
  keyEncoding: 'utf8',
  valueEncoding: 'view',
  compression: false,
  writeBufferSize: 32 * 1_048_576,
  maxFileSize: 32 * 1_048_576,
  blockSize: 65_536,
} as const;

export class LogDatabase {
  readonly #dir: string;
  readonly #logger: Logger;
  /** Made by `open`: it begins to open its files as soon as it is there. */
  #level!: ClassicLevel<string, Uint8Array>;
  #pending: PendingWrite[] = [];
  #pendingBytes = 0;
  #writing = false;
  #written: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(dir: string, logger: Logger) {
    this.#dir = dir;
    this.#logger = logger;
  }

  async open(): Promise<void> {
    try {
      await mkdir(this.#dir, { recursive: true });
      await this.#requireSoundTables();
      this.#level = new ClassicLevel(this.#dir, levelOptions);
      await this.#level.open();
    } catch (error) {
      throw error instanceof FatalError ? error : this.#cannotOpen(error);
    }
  }

  /** Queues a write. Resolves once it is in the database and applied. */
  submit(operations: readonly Operation[], apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const size = operations.reduce(
        (sum, op) => sum + (op.type === 'put' ? op.value.length : 0),
        0,
      );
      this.#pending.push({ operations, size, apply, resolve, reject });
      this.#pendingBytes += size;
      if (!this.#writing) this.#written = this.#drain();
    });
  }

  /** Resolves when everything handed in so far is written. */
  settled(): Promise<void> {
    return this.#writing ? this.submit([], () => {}) : Promise.resolve();
  }

  /** @throws when the log takes no more writes now: nothing of the coming one was applied. */
  assertWritable(): void {
    if (this.#failure !== undefined) throw this.#failed(this.#failure);
    if (this.#pendingBytes <= pendingBytesMax) return;
    throw new RetriableError(
      `The embedded log has ${this.#pendingBytes} bytes waiting to be written; try again when the disk has caught up.`,
      { pendingBytes: this.#pendingBytes },
    );
  }

  /** Entries of a range in order, no more than fit in about `bytesMax` and `entriesMax`. */
  async read(range: KeyRange, bytesMax: number, entriesMax: number): Promise<Entry[]> {
    const iterator = this.#level.iterator({ ...range, highWaterMarkBytes: bytesMax });
    try {
      return (await iterator.nextv(entriesMax)).map(([key, value]) => ({ key, value }));
    } finally {
      await iterator.close();
    }
  }

  /** The last entry of a range. */
  async last(range: KeyRange): Promise<Entry | undefined> {
    const iterator = this.#level.iterator({ ...range, reverse: true, limit: 1 });
    try {
      const entry = await iterator.next();
      return entry === undefined ? undefined : { key: entry[0], value: entry[1] };
    } finally {
      await iterator.close();
    }
  }

  async all(range: KeyRange): Promise<Entry[]> {
    const entries = await this.#level.iterator(range).all();
    return entries.map(([key, value]) => ({ key, value }));
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#level.get(key);
  }

  clear(range: KeyRange): Promise<void> {
    return this.#level.clear(range);
  }

  async close(): Promise<void> {
    await this.#written;
    await this.#level?.close();
  }

  async #requireSoundTables(): Promise<void> {
    const damaged = await damagedTables(this.#dir);
    if (damaged.length === 0) return;
    throw new FatalError(
      `The embedded log in ${this.#dir} has tables with a block that does not match its checksum (${damaged.join(', ')}); the data folder is damaged: restore it or delete it.`,
      { dir: this.#dir, damaged },
    );
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#pending.length > 0) {
      const group = this.#takeGroup();
      const operations = group.flatMap((write) => write.operations);
      try {
        if (this.#failure !== undefined) throw this.#failure;
        if (operations.length > 0) await this.#level.batch(operations as Operation[]);
      } catch (error) {
        this.#fail(error as Error, group);
        continue;
      }
      for (const write of group) {
        write.apply();
        write.resolve();
      }
    }
    this.#writing = false;
  }

  #takeGroup(): PendingWrite[] {
    let size = 0;
    let count = 0;
    while (count < this.#pending.length && (count === 0 || size < groupBytesMax)) {
      size += this.#pending[count]!.size;
      count += 1;
    }
    this.#pendingBytes = Math.max(0, this.#pendingBytes - size);
    return this.#pending.splice(0, count);
  }

  /** After a failed write nobody knows what LevelDB holds until it is opened again: no further write is accepted. */
  #fail(error: Error, group: readonly PendingWrite[]): void {
    if (this.#failure === undefined) {
      this.#logger.error({ err: error, dir: this.#dir }, 'the embedded log cannot be written');
    }
    this.#failure ??= error;
    for (const write of group) {
      write.reject(
        new CommitOutcomeUnknownError(
          `Writing to the embedded log in ${this.#dir} failed; make room there and start again.`,
          { dir: this.#dir, cause: error },
        ),
      );
    }
  }

  #failed(cause: Error): Error {
    return new DependencyDownError(
      `The embedded log in ${this.#dir} takes no more writes since one failed; make room there and start again.`,
      { dir: this.#dir, cause },
    );
  }

  #cannotOpen(error: unknown): Error {
    const { cause } = error as { cause?: { code?: string; message?: string } };
    if (cause?.code === 'LEVEL_LOCKED') {
      return new DependencyDownError(
        `Another process holds the embedded log in ${this.#dir}; stop it, or give this one another data folder (only one process can use the embedded log).`,
        { dir: this.#dir, isHeld: true, cause: error },
      );
    }
    return new DependencyDownError(
      `The embedded log in ${this.#dir} cannot be opened: ${cause?.message ?? (error as Error).message}.`,
      { dir: this.#dir, cause: error },
    );
  }
}
