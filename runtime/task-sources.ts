// The inputs of one task. All are read at once, so that a quiet one never delays another, and their batches are taken
// in turn. A source's next read begins only when its last batch has been dealt with.
//
//   position    the next offset to process: after the last batch dealt with, or at its start when it is to be retried
//   committed   the position in the last transaction (or the group's, at start)

import type { Broker, CommittedOffset, PartitionReader } from '../broker/index.ts';
import type { RecordBatch } from '../schemas/index.ts';
import type { Clock } from '../support/index.ts';
import type { SourceNode } from '../topology/index.ts';
import { putOffRowsMax } from './task-environment.ts';

/** Where a source begins. */
export interface StartPosition {
  readonly source: SourceNode;
  readonly offset: number;
  /** What the group has committed, −1 when nothing. */
  readonly committed: number;
  /** The end of the partition at start, until the reader has heard of a later one. */
  readonly end: number;
}

export interface TaskSource {
  readonly node: SourceNode;
  readonly topic: string;
  readonly partition: number;
  readonly reader: PartitionReader;
  readonly endAtStart: number;
  position: number;
  committed: number;
  /** Rows taken in since the last transaction. */
  pendingRows: number;
  pausedUntilMs: number;
  /** Rows of the next read at least: more than usual after a full batch was put off. */
  rowsMin: number;
  reading: Promise<void> | undefined;
  outcome: ReadOutcome | undefined;
}

type ReadOutcome = { readonly batch: RecordBatch } | { readonly error: unknown };

export interface ReadBatch {
  readonly source: TaskSource;
  readonly batch: RecordBatch;
}

export class TaskSources {
  readonly all: readonly TaskSource[];
  readonly #clock: Clock;
  #turn = 0;
  #wake: () => void = () => {};
  #interruption = new AbortController();

  constructor(
    broker: Broker,
    clock: Clock,
    partition: number,
    positions: readonly StartPosition[],
  ) {
    this.#clock = clock;
    this.all = positions.map(({ source, offset, committed, end }) => ({
      node: source,
      topic: source.topic,
      partition,
      reader: broker.openReader({ topic: source.topic, partition }, offset, { reusesMemory: true }),
      endAtStart: end,
      position: offset,
      committed,
      pendingRows: 0,
      pausedUntilMs: 0,
      rowsMin: 0,
      reading: undefined,
      outcome: undefined,
    }));
  }

  get pendingRows(): number {
    return this.all.reduce((rows, source) => rows + source.pendingRows, 0);
  }

  /** Offsets that were heard of and not read. */
  get lag(): number {
    return this.all.reduce(
      (lag, { reader, position }) => lag + Math.max(0, reader.end - position),
      0,
    );
  }

  /** Whether any position is not the committed one, be it only by markers and gaps. */
  get moved(): boolean {
    return this.all.some((source) => source.position !== source.committed);
  }

  /** "topic-partition" → next offset, of every input. */
  offsets(): Record<string, number> {
    const entries = this.all.map((source) => [inputName(source), source.position] as const);
    return Object.fromEntries(entries);
  }

  /**
   * The next batch with rows, or nothing after `waitMsMax` (with 0: nothing at hand) or an interruption.
   * The caller calls `done` or `retry` with it before the next call.
   */
  async next(rowsMax: number, waitMsMax: number): Promise<ReadBatch | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const waitMs = Math.max(0, Math.ceil(Math.min(waitMsMax, this.#msUntilResume(nowMs))));
    this.#startReads(rowsMax, waitMs, nowMs);
    if (!this.#reading && !this.#arrivedAny) {
      if (waitMs > 0) await this.#clock.sleep(waitMs, this.#interruption.signal);
      return undefined;
    }
    for (;;) {
      const ready = this.#takeReady();
      if (ready !== undefined || !this.#reading || this.#interruption.signal.aborted) return ready;
      if (waitMs > 0 && this.#clock.monotonicMs() >= nowMs + waitMs) return undefined;
      await this.#settled();
    }
  }

  done({ source, batch }: ReadBatch): void {
    source.position = batch.nextOffset;
    source.pendingRows += batch.n;
    source.rowsMin = 0;
  }

  /** Goes back to the start of the batch, and rests. */
  retry({ source, batch }: ReadBatch, pauseMs: number): void {
    source.position = batch.offsets[0]!;
    source.reader.seek(source.position);
    source.pausedUntilMs = this.#clock.monotonicMs() + pauseMs;
    source.rowsMin = Math.min(putOffRowsMax, batch.n * 2);
  }

  /** Ends all rests. */
  resume(): void {
    for (const source of this.all) source.pausedUntilMs = 0;
  }

  /** @param offsets in the order of `all`. A read that was under way may have moved a position over a gap since. */
  committed(offsets: readonly CommittedOffset[]): void {
    for (const [i, source] of this.all.entries()) {
      source.committed = offsets[i]!.offset;
      source.pendingRows = 0;
    }
  }

  /** Makes a waiting `next` return, and every later one return at once. */
  interrupt(): void {
    this.#interruption.abort();
    this.#wake();
  }

  async close(): Promise<void> {
    this.interrupt();
    await Promise.all(
      this.all.map(async ({ reading, reader }) => {
        await reading;
        await reader.close();
      }),
    );
  }

  get #reading(): boolean {
    return this.all.some((source) => source.reading !== undefined);
  }

  get #arrivedAny(): boolean {
    return this.all.some((source) => source.outcome !== undefined);
  }

  #startReads(rowsMax: number, waitMsMax: number, nowMs: number): void {
    for (const source of this.all) {
      if (source.reading !== undefined || source.outcome !== undefined) continue;
      if (source.pausedUntilMs > nowMs) continue;
      const rows = Math.max(rowsMax, source.rowsMin);
      source.reading = source.reader.read({ rowsMax: rows, waitMsMax }).then(
        (batch) => this.#arrived(source, { batch }),
        (error: unknown) => this.#arrived(source, { error }),
      );
    }
  }

  #arrived(source: TaskSource, outcome: ReadOutcome): void {
    source.reading = undefined;
    if ('batch' in outcome && outcome.batch.n === 0) source.position = outcome.batch.nextOffset;
    else source.outcome = outcome;
    this.#wake();
  }

  #takeReady(): ReadBatch | undefined {
    for (let i = 0; i < this.all.length; i++) {
      const at = (this.#turn + i) % this.all.length;
      const source = this.all[at]!;
      const { outcome } = source;
      if (outcome === undefined) continue;
      source.outcome = undefined;
      this.#turn = at + 1;
      if ('error' in outcome) throw outcome.error;
      return { source, batch: outcome.batch };
    }
    return undefined;
  }

  /** The next arrival or interruption. One promise a wait: nothing piles up on a long read. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Until the next rest ends; Infinity without one. */
  #msUntilResume(nowMs: number): number {
    const rests = this.all.map((source) => source.pausedUntilMs - nowMs).filter((ms) => ms > 0);
    return Math.min(...rests);
  }
}

export function inputName({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}-${partition}`;
}
