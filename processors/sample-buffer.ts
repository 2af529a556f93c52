// Points sent ahead of the first model, kept (and stored) until it is seeded. In the order of the log.
//
// A task that restarts samples its first batch again, from the same offset; what it sent before is then replaced, so no
// point counts twice. The first sample decides the dimensions unless the settings do; samples of others are left out.

import type { BootstrapProblem } from '../clustering/index.ts';
import {
  type BootstrapSample,
  decodeLearningMessage,
  encodeLearningMessage,
} from '../schemas/index.ts';
import type { KeyValueStore } from '../state-stores/index.ts';

interface Expected {
  readonly dimensions: number;
}

const encoder = new TextEncoder();
const samplesFrom = encoder.encode('sample/');
const samplesTo = encoder.encode('sample0');

export class SampleBuffer {
  readonly #store: KeyValueStore;
  #entries: { readonly number: number; readonly sample: BootstrapSample; saved: boolean }[] = [];
  #dropped: number[] = [];
  #nextNumber = 0;

  private constructor(store: KeyValueStore) {
    this.#store = store;
  }

  static async load(store: KeyValueStore): Promise<SampleBuffer> {
    const buffer = new SampleBuffer(store);
    for await (const { key, value } of store.range({ from: samplesFrom, to: samplesTo })) {
      const number = Number(new TextDecoder().decode(key).slice('sample/'.length));
      const sample = decodeLearningMessage(value) as BootstrapSample;
      buffer.#entries.push({ number, sample, saved: true });
      buffer.#nextNumber = number + 1;
    }
    return buffer;
  }

  get samples(): readonly BootstrapSample[] {
    return this.#entries.map(({ sample }) => sample);
  }

  /** Newest event time; -1 without samples. */
  get timestampMs(): number {
    return this.#entries.reduce((newest, { sample }) => Math.max(newest, sample.timestampMs), -1);
  }

  get rows(): number {
    return this.#entries.reduce((sum, { sample }) => sum + sample.weights.length, 0);
  }

  add(sample: BootstrapSample, { dimensions }: Expected): void {
    const dims = dimensions > 0 ? dimensions : this.#entries[0]?.sample.dims;
    if (sample.weights.length === 0 || (dims !== undefined && sample.dims !== dims)) return;
    const { partition, fromOffset } = sample;
    const again = (other: BootstrapSample): boolean =>
      other.partition === partition && other.nextOffset > fromOffset;
    for (const { number, sample: other } of this.#entries) {
      if (again(other)) this.#dropped.push(number);
    }
    this.#entries = this.#entries.filter((entry) => !again(entry.sample));
    this.#entries.push({ number: this.#nextNumber, sample, saved: false });
    this.#nextNumber += 1;
  }

  merged(): Pick<BootstrapProblem, 'values' | 'weights' | 'n' | 'dims'> {
    const { rows: n } = this;
    const dims = this.#entries[0]?.sample.dims ?? 0;
    const values = new Float32Array(n * dims);
    const weights = new Float32Array(n);
    let row = 0;
    for (const { sample } of this.#entries) {
      values.set(sample.values, row * dims);
      weights.set(sample.weights, row);
      row += sample.weights.length;
    }
    return { values, weights, n, dims };
  }

  clear(): void {
    for (const { number } of this.#entries) this.#dropped.push(number);
    this.#entries = [];
  }

  save(): void {
    for (const number of this.#dropped) this.#store.delete(rowKey(number));
    this.#dropped = [];
    for (const entry of this.#entries) {
      if (entry.saved) continue;
      this.#store.put(rowKey(entry.number), encodeLearningMessage(entry.sample));
      entry.saved = true;
    }
  }
}

/** Padded, so that byte order is the order of arrival. */
function rowKey(number: number): Uint8Array {
  return encoder.encode(`sample/${String(number).padStart(10, '0')}`);
}
