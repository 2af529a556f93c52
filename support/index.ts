// What everything stands on: errors, assertions, time, randomness, logging and metrics.
// Imports nothing of ours; knows nothing of clusters, logs or stores.

export { AssertionError, assert, unreachable } from './assert.ts';
export { type BackoffLimits, nextBackoffMs } from './backoff.ts';
export { type Clock, ManualClock, nextTurn, systemClock } from './clock.ts';
export {
  armCrashPoint,
  type CrashPoint,
  type CrashPointName,
  crashPoint,
  crashPointAfterSending,
  crashPointNames,
} from './crash-point.ts';
export {
  ArtifactCorruptedError,
  CommitOutcomeUnknownError,
  DependencyDownError,
  FatalError,
  InvalidModelFileError,
  InvalidRecordError,
  InvalidSettingError,
  InvalidTopologyError,
  JobCancelledError,
  MeanstreamError,
  OffsetOutOfRangeError,
  ProcessorFailedError,
  RecordTooLargeError,
  RefusedError,
  RetriableError,
  SegmentCorruptedError,
  TaskCorruptedError,
  TaskMigratedError,
} from './errors.ts';
export { damagedTables } from './level-tables.ts';
export { type Logger, silentLogger } from './logger.ts';
export { escapeMarkup } from './markup.ts';
export { Metrics, type MetricValues, mergedMetrics } from './metrics.ts';
export { Random } from './random.ts';
export { ReusedMemory } from './reused-memory.ts';
export { nextDueMs, scheduleFault } from './schedule.ts';
