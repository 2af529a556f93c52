// The owner's memory of a model: one header and one row of numbers per cluster, so that a fold writes what it touched
// and nothing else. What the numbers of a row mean is the owner's business.
//
//   "header"        JSON; a Float64Array in it is kept bit for bit
//   "cluster/<id>"  float64, little-endian
//
// Other keys of the same KeyValueStore stay free for other state of the task.

import { bytesOf, numbersIn } from '../schemas/index.ts';
import type { KeyValueStore } from './state-store.ts';

export interface CentroidState<Header> {
  readonly header: Header;
  /** By cluster id, in byte order of the ids; the arrays are the caller's. */
  readonly clusters: Map<string, Float64Array>;
}

const headerKey = utf8('header');
const clusterPrefix = 'cluster/';
/** The byte after "/": the end of the clusters' range. */
const clustersEnd = utf8('cluster0');

export class CentroidStore<Header> {
  readonly #store: KeyValueStore;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  /** Everything as last put; undefined before the first header. */
  async load(): Promise<CentroidState<Header> | undefined> {
    const header = await this.#store.get(headerKey);
    if (header === undefined) return undefined;
    const clusters = new Map<string, Float64Array>();
    const range = { from: utf8(clusterPrefix), to: clustersEnd };
    for await (const { key, value } of this.#store.range(range)) {
      clusters.set(
        new TextDecoder().decode(key).slice(clusterPrefix.length),
        numbersIn(new Uint8Array(value), Float64Array),
      );
    }
    return { header: JSON.parse(new TextDecoder().decode(header), revive) as Header, clusters };
  }

  putHeader(header: Header): void {
    this.#store.put(headerKey, utf8(JSON.stringify(header, replace)));
  }

  /** Copies the values. */
  putCluster(id: string, values: Float64Array): void {
    this.#store.put(utf8(clusterPrefix + id), bytesOf(values.slice()));
  }

  deleteCluster(id: string): void {
    this.#store.delete(utf8(clusterPrefix + id));
  }
}

const numbersField = 'float64';

function replace(_key: string, value: unknown): unknown {
  if (!(value instanceof Float64Array)) return value;
  return { [numbersField]: Buffer.from(bytesOf(value)).toString('base64') };
}

function revive(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  const text = (value as Record<string, unknown>)[numbersField];
  if (typeof text !== 'string' || Object.keys(value).length !== 1) return value;
  return numbersIn(Buffer.from(text, 'base64'), Float64Array);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
