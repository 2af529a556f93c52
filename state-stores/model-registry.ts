// The models topic as a table in memory: the current version, and every version that was born (bootstrap, retrain).
// A batch decodes at most one current model, its last: epochs follow each other every few milliseconds. Born versions
// are kept as bytes and decoded when somebody asks.

import {
  compareVersions,
  decodeModel,
  type Model,
  type RecordBatch,
  recordKey,
  recordValue,
} from '../schemas/index.ts';
import { type Logger, silentLogger } from '../support/index.ts';
import type { GlobalStore } from './state-store.ts';

export interface ModelRegistryOptions {
  /** Of the global store in the topology. */
  readonly name?: string;
  readonly logger?: Logger;
  readonly versionsMax?: number;
}

export type ModelListener = (current: Model | undefined) => void;

/** The oldest versions are forgotten beyond this many. */
export const modelVersionsMax = 1_000;

/** "default/<version or current>/<shard>" */
const keyPattern = /^default\/(current|\d+\.\d+\.\d+)\/0$/;

export class ModelRegistry implements GlobalStore {
  readonly name: string;
  readonly #logger: Logger;
  readonly #versionsMax: number;
  readonly #listeners = new Set<ModelListener>();
  readonly #versions = new Map<string, Model | Uint8Array>();
  #current: Model | undefined;

  constructor(options: ModelRegistryOptions = {}) {
    this.name = options.name ?? 'models';
    this.#logger = options.logger ?? silentLogger;
    this.#versionsMax = options.versionsMax ?? modelVersionsMax;
  }

  apply(batch: RecordBatch): void {
    let currentRow = -1;
    let changed = false;
    for (let row = 0; row < batch.n; row += 1) {
      const version = versionOf(recordKey(batch, row));
      if (version === undefined) continue;
      changed = true;
      if (version === 'current') currentRow = row;
      else this.#keep(version, recordValue(batch, row));
    }
    if (currentRow >= 0) this.#setCurrent(recordValue(batch, currentRow));
    if (!changed) return;
    for (const listener of [...this.#listeners]) listener(this.#current);
  }

  /** The model every task assigns with from its next transaction on. */
  current(): Model | undefined {
    return this.#current;
  }

  get(version: string): Model | undefined {
    if (this.#current?.version === version) return this.#current;
    const kept = this.#versions.get(version);
    if (!(kept instanceof Uint8Array)) return kept;
    const model = this.#decode(kept, version);
    if (model === undefined) this.#versions.delete(version);
    else this.#versions.set(version, model);
    return model;
  }

  /** The current version and every born one, newest first. */
  list(): Model[] {
    const versions = new Set(this.#versions.keys());
    if (this.#current !== undefined) versions.add(this.#current.version);
    return [...versions]
      .sort((a, b) => compareVersions(b, a))
      .map((version) => this.get(version))
      .filter((model) => model !== undefined);
  }

  aliases(version: string): string[] {
    return this.#current?.version === version ? ['champion'] : [];
  }

  /** Calls back after every batch that changed anything. @returns a function that ends it. */
  onChange(listener: ModelListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #setCurrent(value: Uint8Array | null): void {
    if (value === null) this.#current = undefined;
    else this.#current = this.#decode(value, 'current') ?? this.#current;
  }

  #keep(version: string, value: Uint8Array | null): void {
    if (value === null) {
      this.#versions.delete(version);
      return;
    }
    this.#versions.set(version, new Uint8Array(value));
    if (this.#versions.size <= this.#versionsMax) return;
    const oldest = [...this.#versions.keys()].reduce((a, b) => (compareVersions(a, b) < 0 ? a : b));
    this.#versions.delete(oldest);
  }

  /** A model nobody can read leaves what was known before in place: points go on being assigned. */
  #decode(value: Uint8Array, version: string): Model | undefined {
    try {
      return decodeModel(value);
    } catch (error) {
      this.#logger.error({ version, err: error }, 'a record of the models topic cannot be read');
      return undefined;
    }
  }
}

function versionOf(key: Uint8Array | null): string | undefined {
  return key === null ? undefined : keyPattern.exec(new TextDecoder().decode(key))?.[1];
}
