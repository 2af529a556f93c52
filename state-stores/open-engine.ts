// Makes an engine by its name, and opens it.

import { access } from 'node:fs/promises';
import { TaskCorruptedError } from '../support/index.ts';
import type { EngineOptions } from './engine-keyspace.ts';
import { LevelStore } from './level.ts';
import { MemoryStore } from './memory.ts';
import { RocksDbStore } from './rocksdb.ts';
import type { StateStore, StoreCheckpoint } from './state-store.ts';

export type EngineKind = StateStore['engine'];

export function createEngine(kind: EngineKind, options: EngineOptions): StateStore {
  if (kind === 'memory') return new MemoryStore(options);
  return kind === 'rocksdb' ? new RocksDbStore(options) : new LevelStore(options);
}

/** Opens an engine, empty when its files are damaged: it has no checkpoint then and is rebuilt from its changelog. */
export async function openEngine(kind: EngineKind, options: EngineOptions): Promise<StateStore> {
  const engine = createEngine(kind, options);
  try {
    await engine.open();
  } catch (error) {
    if (!(error instanceof TaskCorruptedError)) throw error;
    options.logger.warn({ store: options.name, err: error }, 'store is damaged: wiping it');
    await engine.wipe();
  }
  return engine;
}

/** What a closed store says of itself; undefined when there is none, it cannot be read, or somebody has it open. */
export async function checkpointOf(
  kind: EngineKind,
  options: EngineOptions,
): Promise<StoreCheckpoint | undefined> {
  if (kind === 'memory') return undefined;
  const engine = createEngine(kind, options);
  try {
    // Opening would make the folder.
    await access(options.dir);
    await engine.open();
    return await engine.checkpoint();
  } catch {
    return undefined;
  } finally {
    await engine.close();
  }
}
