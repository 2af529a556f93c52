// What is remembered: engines (memory, rocksdb, level), the changelogged overlay over them, and typed stores.
// Engines only hold committed data. Read state-store.ts first.

export type {
  GlobalStore,
  KeyValueStore,
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreDefinition,
  StoreEntry,
  StoreWrite,
} from './state-store.ts';
