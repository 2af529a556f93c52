// What is remembered: engines (memory, rocksdb, level), the changelogged overlay over them, and typed stores.
// Engines only hold committed data. Read state-store.ts first, then changelog.ts (its head lists the calls in order).
// artifacts/ is what outlives the logs: files by the hash of their content, in a folder or a bucket.

export {
  type ArtifactInfo,
  type ArtifactName,
  type ArtifactRef,
  ArtifactStore,
  artifactName,
  isArtifactName,
} from './artifacts/artifact-store.ts';
export type { BlobInfo, BlobStore, Ref } from './artifacts/blob-store.ts';
export { FolderBlobs } from './artifacts/folder-blobs.ts';
export { S3Blobs, type S3BlobsOptions } from './artifacts/s3-blobs.ts';
export { type BlobKey, SealedBlobs } from './artifacts/sealed-blobs.ts';
export { CachedStore, type CacheOptions } from './cached.ts';
export { type CentroidState, CentroidStore } from './centroid-store.ts';
export {
  type ChangelogBounds,
  ChangelogStore,
  type ChangelogStoreOptions,
  type Recovery,
  strangerFault,
} from './changelog.ts';
export type { EngineOptions } from './engine-keyspace.ts';
export { LevelStore } from './level.ts';
export { MemoryStore } from './memory.ts';
export {
  type AliasEntry,
  type ModelListener,
  ModelRegistry,
  type ModelRegistryOptions,
  modelAliases,
  modelVersionsMax,
} from './model-registry.ts';
export { checkpointOf, createEngine, type EngineKind, openEngine } from './open-engine.ts';
export type { StoreProgress } from './progress.ts';
export { RocksDbStore } from './rocksdb.ts';
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
export { neededVersions, type VersionFacts, type VersionHolders } from './version-retention.ts';
