// Processes that meet the stream only at topics: retrain, on any number of machines, and the recommendation of K. Read retrain.ts,
// then distributed/coordinator.ts and distributed/retrain-worker.ts.

export { type ArchivistOptions, keepArchived } from './archivist.ts';
export {
  forgetCoresets,
  newestCoreset,
  readCoreset,
  type StoredCoreset,
  storedCoreset,
  storedParent,
} from './coreset-archive.ts';
export { Coordinator, type CoordinatorOptions } from './distributed/coordinator.ts';
export { coordinatorId, JobLog, retrainGroup, unfinishedJob } from './distributed/job-log.ts';
export { RangeHolder, type ReplayedRows } from './distributed/range-holder.ts';
export { RangeSchedule } from './distributed/range-schedule.ts';
export { RetrainWorker, type RetrainWorkerOptions } from './distributed/retrain-worker.ts';
export { type Fit, type FitInput, type FitOutput, fitHere, fitInWorker } from './fit.ts';
export {
  type ImportOptions,
  type ImportReport,
  importModel,
  type ModelToImport,
} from './import-model.ts';
export { ModelFollower } from './model-follower.ts';
export {
  type PrunePolicy,
  type PruneRow,
  planPrune,
  requireArtifacts,
  type SweepOptions,
  sweepArtifacts,
} from './prune-versions.ts';
export {
  type ClaimOptions,
  type CommandOptions,
  claimVersion,
  commandModel,
  type Release,
  releaseVersion,
  requestModel,
} from './publish-version.ts';
export {
  type KReport,
  type RecommendKOptions,
  type RecommendKProgress,
  runRecommendK,
  scoreHere,
} from './recommend-k.ts';
export { type DecodePoints, type PlannedRange, pointsOf } from './replay.ts';
export {
  type RefitOptions,
  type RetrainOptions,
  type RetrainProgress,
  type RetrainReport,
  refit,
  runRetrain,
  type TeamOptions,
  type WriteOutcome,
} from './retrain.ts';
export {
  type RetrainHooks,
  RetrainRunner,
  type RetrainRunnerOptions,
  type RunRetrainCommand,
  refuseWhileServed,
} from './retrain-runner.ts';
export {
  type ArchiveOptions,
  archivedVersion,
  archiveVersions,
  artifactsBehind,
  isArchived,
  versionsToArchive,
} from './version-archive.ts';
