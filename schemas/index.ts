// Contracts on the wire: topics, the columns of records and points, and every message with its codec.
// Imports nothing but support/. Read topics.ts first, then record-batch.ts and point-batch.ts.

export {
  type AssigningModel,
  type AssignmentColumns,
  AssignmentEncoder,
  keyText,
} from './assignment-encoder.ts';
export { type NativeCodec, nativeCodec } from './codec/native-codec.ts';
export {
  artifactKey,
  claimKey,
  comparisonKey,
  decisionKey,
  decodeChallengerReport,
  decodeClusterEvent,
  decodeDrift,
  decodeLearningMessage,
  decodeModel,
  decodeModelCommand,
  decodeModelDecision,
  decodeQuality,
  decodeRetrainCommand,
  decodeRetrainState,
  decodeShadowComparison,
  decodeShadowSummary,
  decodeVersionArtifact,
  encodeChallengerReport,
  encodeClaim,
  encodeClusterEvent,
  encodeDrift,
  encodeLearningMessage,
  encodeModel,
  encodeModelCommand,
  encodeModelDecision,
  encodeQuality,
  encodeRetrainCommand,
  encodeRetrainState,
  encodeShadowComparison,
  encodeShadowSummary,
  encodeVersionArtifact,
  modelKey,
  modelRecordKind,
} from './codecs.ts';
export { decodeColumnMessage, encodeColumnMessage } from './column-message.ts';
export { commandAppend } from './command-append.ts';
export type {
  Assignment,
  BootstrapSample,
  CancelRetrainCommand,
  CentroidDelta,
  ChallengerReport,
  ChallengerResult,
  ClusterEvent,
  ClusterEventType,
  DriftReport,
  LearningMessage,
  ModelAlias,
  ModelCommand,
  ModelDecision,
  QualitySummary,
  RetrainCommand,
  RetrainTrigger,
  ShadowComparison,
  ShadowSummary,
  VersionArtifact,
} from './messages.ts';
export {
  type ClusterLineage,
  compareVersions,
  formatVersion,
  generationOf,
  type HalfLife,
  type Metric,
  type MissingPolicy,
  type Model,
  type ModelOrigin,
  type ModelQuality,
  nextGeneration,
  type OffsetRange,
  parseVersion,
  type Version,
} from './model.ts';
export { bytesOf, numbersIn } from './number-arrays.ts';
export { shorter } from './number-text.ts';
export type { PointBatch } from './point-batch.ts';
export {
  type DecodedPoints,
  PointDecoder,
  type PointDecoderOptions,
  type PointFormat,
  pointContentTypes,
  type RejectedPoint,
} from './point-decoder.ts';
export { type PointFault, pointFaults } from './point-faults.ts';
export { PointReader, type PointShape, pointDimsMax } from './point-reader.ts';
export {
  type PointRequest,
  type PointRequestOptions,
  readPointLines,
  readPointRequest,
} from './point-request.ts';
export {
  type RecordBatch,
  RecordBatchBuilder,
  type RecordColumns,
  type RecordHeader,
  recordHeaders,
  recordKey,
  recordValue,
} from './record-batch.ts';
export {
  encodeRetrainReply,
  encodeRetrainTask,
  type JobRange,
  type RetrainAnswer,
  type RetrainEnd,
  type RetrainFailure,
  type RetrainHeartbeat,
  type RetrainJob,
  RetrainMessageReader,
  type RetrainPartial,
  type RetrainReassign,
  type RetrainReply,
  type RetrainRows,
  type RetrainStep,
  type RetrainTask,
} from './retrain-messages.ts';
export type { RetrainOutcome, RetrainPhase, RetrainState } from './retrain-state.ts';
export {
  changelogDeleteRetentionMs,
  changelogSpec,
  changelogTopic,
  type TopicName,
  type TopicOptions,
  type TopicSpec,
  topicSpecs,
  topics,
} from './topics.ts';
