// Pure mathematics: flat typed arrays in, flat typed arrays out. No I/O, no clock, no randomness but a seeded generator
// passed in; imports support/ alone. Read mini-batch.ts (what a task adds up) and online-model.ts (how it is folded) first.

export { adjustedRand } from './adjusted-rand.ts';
export { type AssignableModel, Assigner } from './assigner.ts';
export { type BootstrapOptions, bootstrapModel, type FirstModel } from './bootstrap.ts';
export { type BootstrapProblem, BootstrapThread } from './bootstrap-thread.ts';
export {
  ChallengerTrial,
  type Contender,
  type ContenderResult,
  type TrialBlock,
  type TrialRecords,
  type TrialResult,
  type TrialSetting,
} from './challenger-trial.ts';
export {
  addPoints,
  type ClusterMoments,
  type ClusterSummary,
  emptyMoments,
  type LabelledPoints,
  mergeMoments,
  summarise,
  summarisePoints,
} from './cluster-moments.ts';
export type { OnlineBasis, OnlineStart } from './cluster-state.ts';
export {
  type Coreset,
  type CoresetBlock,
  CoresetBuilder,
  exactCoreset,
  mergeCoresets,
  type OffsetRange,
  type ReduceOptions,
  reduceCoreset,
} from './coreset.ts';
export {
  binStart,
  cumulativeHistogram,
  distanceBin,
  distanceBins,
  shareBelow,
} from './distance-histogram.ts';
export {
  type DriftFinding,
  DriftMonitor,
  type DriftOptions,
  type DriftState,
  type DriftSummary,
  driftDefaults,
} from './drift/drift-monitor.ts';
export { PageHinkley, type PageHinkleyOptions } from './drift/page-hinkley.ts';
export { psi } from './drift/psi.ts';
export {
  type FullBatchFit,
  type FullBatchOptions,
  fitFullBatch,
  fullBatchSteps,
  type IterationReport,
} from './full-batch.ts';
export {
  defaultHalfLife,
  type HalfLife,
  type HalfLifeUnit,
  memoryOf,
} from './half-life.ts';
export { type ClusterMatch, type MatchOptions, matchClusters } from './identity.ts';
export {
  type KCriterion,
  type KCurvePoint,
  type KRecommendation,
  type KSelectionOptions,
  type KVote,
  kMaxDefault,
  kMaxMax,
  recommendK,
} from './k-selection.ts';
export { chooseKernels, type KernelChoice } from './kernels/choose-kernels.ts';
export {
  type CentroidPanels,
  type ClusterSums,
  clusterSums,
  type Kernels,
} from './kernels/kernels.ts';
export { loadNativeKernels } from './kernels/native.ts';
export { referenceKernels } from './kernels/reference.ts';
export { loadWasmKernels } from './kernels/wasm.ts';
export type { LifecycleEvent } from './lifecycle.ts';
export {
  type ClusterOrigin,
  type Lineage,
  lineageOf,
  type NewFate,
  type OldFate,
  originsOf,
} from './lineage.ts';
export { intoModelSpace, type Metric, type PointSpace, type ScaledSpace } from './metric.ts';
export {
  candidatesPerDelta,
  DeltaAccumulator,
  type DeltaBasis,
  type DeltaStatistics,
} from './mini-batch.ts';
export { type MissingPolicy, nearestTwoPartial, PartialRows } from './missing-values.ts';
export {
  completePoints,
  fitModel,
  type ModelFit,
  type ModelFitOptions,
  modelFitSteps,
  type SpaceFitOptions,
} from './model-fit.ts';
export {
  type OnlineHistory,
  OnlineModel,
  type OnlineOptions,
  type OnlineRecords,
  type OnlineSnapshot,
} from './online-model.ts';
export {
  type ClusteringQuality,
  clusteringQuality,
  clusterRadius,
  imbalance,
  smoothedRadii,
} from './quality.ts';
export {
  QualityAccumulator,
  type QualityModel,
  type QualityStatistics,
} from './quality-accumulator.ts';
export { CentroidViews } from './ranges/centroid-views.ts';
export { AnswerCombiner } from './ranges/combine.ts';
export { type FitRangesOptions, fitRanges } from './ranges/fit-ranges.ts';
export {
  type RangeFit,
  type RangeFitProblem,
  type RangeIteration,
  type RangeSample,
  rangeFitSteps,
  sampleRowsDefault,
} from './ranges/range-fit.ts';
export { MemoryRows, type RangeRows, type RowBlock, scaleRows } from './ranges/range-rows.ts';
export { RangeWork, stateBytesPerRow } from './ranges/range-work.ts';
export type { RangeSpace, Step, StepAnswer, StepKind } from './ranges/steps.ts';
export { fitScaler, identityScaler, type Scaler, scalePoints, unscalePoints } from './scaler.ts';
export { countDistinct, type SeedingOptions, seedCentroids } from './seeding.ts';
export { surplusSeeds } from './shrinking-path.ts';
export { cosineDistance, normaliseCentroids, normalisePoints } from './spherical.ts';
export { threadsAvailable } from './thread-team.ts';
export {
  calinskiHarabasz,
  daviesBouldin,
  daviesBouldinOfPoints,
  type Silhouette,
  silhouette,
} from './validity.ts';
