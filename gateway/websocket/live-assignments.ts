// Fans assignments out: every subscriber gets each assignment that is read from now on exactly once, one frame a read.
// The log's bytes are the answer: a frame is the records' JSON with commas between, joined once for all who want all.
// Records are parsed only when somebody filters.

import { type Assignment, type RecordBatch, recordValue } from '../../schemas/index.ts';
import type { LiveClient } from './live-client.ts';
import { type Subscription, wants, wantsAll } from './subscription.ts';

const opening = new TextEncoder().encode('{"type":"assignments","assignments":[');
const comma = 0x2c;
const closing = new TextEncoder().encode(']}');

export class LiveAssignments {
  readonly #subscribers = new Map<LiveClient, Subscription>();
  readonly #frameRowsMax: number;

  constructor(frameRowsMax: number) {
    this.#frameRowsMax = frameRowsMax;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  add(client: LiveClient, subscription: Subscription): void {
    this.#subscribers.set(client, subscription);
  }

  remove(client: LiveClient): void {
    client.closed();
    this.#subscribers.delete(client);
  }

  publish(batch: RecordBatch): void {
    if (this.#subscribers.size === 0) return;
    for (let from = 0; from < batch.n; from += this.#frameRowsMax) {
      this.#publishRows(batch, from, Math.min(batch.n, from + this.#frameRowsMax));
    }
  }

  /** Tells everybody that `items` assignments were gone before they could be read. */
  announceGap(items: number): void {
    for (const client of [...this.#subscribers.keys()]) client.announceGap(items);
  }

  #publishRows(batch: RecordBatch, from: number, to: number): void {
    const values = valuesOf(batch, from, to);
    if (values.length === 0) return;
    let whole: Uint8Array | undefined;
    let parsed: Assignment[] | undefined;
    for (const [client, subscription] of [...this.#subscribers]) {
      if (wantsAll(subscription)) {
        whole ??= frameOf(values);
        client.send(whole, values.length);
        continue;
      }
      parsed ??= values.map(parse);
      const wanted = values.filter((_, i) => wants(subscription, parsed![i]!));
      if (wanted.length > 0) client.send(frameOf(wanted), wanted.length);
    }
  }
}

/** Tombstones left out. */
function valuesOf(batch: RecordBatch, from: number, to: number): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let row = from; row < to; row += 1) {
    const value = recordValue(batch, row);
    if (value !== null) values.push(value);
  }
  return values;
}

const utf8 = new TextDecoder();

function frameOf(values: readonly Uint8Array[]): Uint8Array {
  const size = values.reduce((sum, value) => sum + value.length + 1, 0);
  const frame = new Uint8Array(opening.length + size - 1 + closing.length);
  frame.set(opening);
  let at = opening.length;
  for (const [i, value] of values.entries()) {
    if (i > 0) frame[at++] = comma;
    frame.set(value, at);
    at += value.length;
  }
  frame.set(closing, at);
  return frame;
}

function parse(value: Uint8Array): Assignment {
  return JSON.parse(utf8.decode(value)) as Assignment;
}
