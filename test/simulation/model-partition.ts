// One partition of the model's log, by Kafka's rules: a high watermark behind the end, transactions that hold the last stable
// offset back until their marker is there, producers known by id, epoch and sequence.

import {
  type RecordColumns,
  type RecordHeader,
  recordHeaders,
  recordKey,
  recordValue,
} from '../../schemas/index.ts';
import { OffsetOutOfRangeError, RecordTooLargeError } from '../../support/index.ts';

export interface Producer {
  readonly id: number;
  readonly epoch: number;
}

/** A newer epoch of the producer is known. */
export class FencedError extends Error {}
/** A definite no; nothing was done. */
export class RefusalError extends Error {}

interface TransactionState {
  outcome: 'open' | 'committed' | 'aborted';
  /** Its commit is decided; the marker is on its way. */
  isDecided: boolean;
  readonly first: number;
}

export interface LogEntry {
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp: number;
  readonly headers: readonly RecordHeader[];
  /** Null for records outside transactions. */
  readonly transaction: TransactionState | null;
  readonly isMarker: boolean;
}

interface ProducerState {
  epoch: number;
  nextSequence: number;
  /** Answers already given in this epoch, by sequence: a batch that comes again gets the same. */
  readonly given: Map<number, number>;
  transaction: TransactionState | undefined;
}

export class ModelPartition {
  readonly topic: string;
  readonly partition: number;
  entries: LogEntry[] = [];
  logStart = 0;
  end = 0;
  highWatermark = 0;
  readonly bytesMax: number;
  readonly #producers = new Map<number, ProducerState>();
  readonly #open = new Map<number, number>();
  #waiting: (() => void)[] = [];

  constructor(topic: string, partition: number, bytesMax: number) {
    this.topic = topic;
    this.partition = partition;
    this.bytesMax = bytesMax;
  }

  get lastStable(): number {
    return Math.min(this.highWatermark, ...this.#open.values());
  }

  /** No transaction is open and everything is replicated. */
  get isSettled(): boolean {
    return this.#open.size === 0 && this.highWatermark === this.end;
  }

  check(records: RecordColumns): void {
    for (let row = 0; row < records.n; row++) {
      const bytes =
        (recordKey(records, row)?.length ?? 0) + (recordValue(records, row)?.length ?? 0);
      if (bytes > this.bytesMax) {
        throw new RecordTooLargeError(
          `${bytes} bytes for ${this.topic} are over ${this.bytesMax}.`,
        );
      }
    }
  }

  /** @returns the base offset. */
  append(records: RecordColumns, producer?: Producer, sequence = 0): number {
    const state = producer === undefined ? undefined : this.#stateOf(producer);
    const given = state?.given.get(sequence);
    if (given !== undefined) return given;
    if (state !== undefined && sequence !== state.nextSequence) {
      throw new RefusalError(`sequence ${sequence} where ${state.nextSequence} is next`);
    }
    this.check(records);
    const base = this.end;
    if (state !== undefined) {
      if (state.transaction === undefined) {
        state.transaction = { outcome: 'open', isDecided: false, first: base };
        this.#open.set(producer!.id, base);
      }
      state.nextSequence = sequence + records.n;
      state.given.set(sequence, base);
    }
    const transaction = state?.transaction ?? null;
    for (let row = 0; row < records.n; row++) {
      this.entries.push({
        offset: base + row,
        key: recordKey(records, row)?.slice() ?? null,
        value: recordValue(records, row)?.slice() ?? null,
        timestamp: records.timestamps[row]!,
        headers: recordHeaders(records, row).map((header) => ({ ...header })),
        transaction,
        isMarker: false,
      });
    }
    this.end = base + records.n;
    return base;
  }

  /** The coordinator has decided; readers hear of it with the marker. */
  decide(producerId: number): void {
    const transaction = this.#producers.get(producerId)?.transaction;
    if (transaction !== undefined) transaction.isDecided = true;
  }

  /** The end of a transaction, also of one without records here; from here older epochs of its producer are fenced. */
  mark(producer: Producer, isCommit: boolean): void {
    const state = this.#stateOf(producer);
    const transaction = state.transaction ?? null;
    if (transaction !== null) transaction.outcome = isCommit ? 'committed' : 'aborted';
    state.transaction = undefined;
    const offset = this.end++;
    const nothing = { key: null, value: null, headers: [], timestamp: -1 };
    this.entries.push({ offset, ...nothing, transaction, isMarker: true });
    this.#marked.push({ id: producer.id, offset });
  }
  readonly #marked: { readonly id: number; readonly offset: number }[] = [];

  /** What is there by now has reached the other replicas. */
  replicate(): void {
    if (this.highWatermark === this.end) return;
    this.highWatermark = this.end;
    for (const { id } of this.#marked.splice(0)) {
      if (this.#producers.get(id)?.transaction === undefined) this.#open.delete(id);
      else this.#open.set(id, this.#producers.get(id)!.transaction!.first);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  onReplicated(wake: () => void): void {
    this.#waiting.push(wake);
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  checkRange(offset: number): void {
    if (offset >= this.logStart && offset <= this.highWatermark) return;
    throw new OffsetOutOfRangeError(
      `Offset ${offset} of ${this.topic}-${this.partition} is not in ${this.logStart}…${this.highWatermark}.`,
    );
  }

  /** What a read_committed reader sees from an offset on, and where it goes on. */
  read(from: number, rowsMax: number): { rows: LogEntry[]; nextOffset: number; end: number } {
    const end = this.lastStable;
    const rows: LogEntry[] = [];
    for (let at = this.indexOf(from); at < this.entries.length; at++) {
      const entry = this.entries[at]!;
      if (entry.offset >= end) break;
      if (!isVisible(entry)) continue;
      if (rows.length === rowsMax) return { rows, nextOffset: rows.at(-1)!.offset + 1, end };
      rows.push(entry);
    }
    return { rows, nextOffset: Math.max(from, end), end };
  }

  /** As the cleaner does, once tombstones may go too; transactions under way are left alone. */
  compact(): void {
    const end = this.lastStable;
    const newest = new Map<string, number>();
    const keyOf = ({ key }: LogEntry) => Buffer.from(key ?? []).toString('latin1');
    for (const entry of this.entries) {
      if (entry.offset < end && isVisible(entry)) newest.set(keyOf(entry), entry.offset);
    }
    this.entries = this.entries.filter(
      (entry) =>
        entry.offset >= end ||
        (isVisible(entry) && entry.value !== null && newest.get(keyOf(entry)) === entry.offset),
    );
  }

  indexOf(offset: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.entries[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #stateOf({ id, epoch }: Producer): ProducerState {
    const known = this.#producers.get(id);
    if (known !== undefined && known.epoch > epoch) throw new FencedError(`epoch ${epoch}`);
    if (known?.epoch === epoch) return known;
    // A new epoch begins its sequence anew, and inherits what is still open.
    const transaction = known?.transaction;
    const state: ProducerState = { epoch, nextSequence: 0, given: new Map(), transaction };
    this.#producers.set(id, state);
    return state;
  }
}

export function isVisible({ isMarker, transaction }: LogEntry): boolean {
  return !isMarker && (transaction === null || transaction.outcome === 'committed');
}
