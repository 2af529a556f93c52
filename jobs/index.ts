// Processes that meet the stream only at topics: retrain and the recommendation of K, each in one process. Read retrain.ts.

export { type Fit, type FitInput, type FitOutput, fitHere, fitInWorker } from './fit.ts';
export {
  type ImportOptions,
  type ImportReport,
  importModel,
  type ModelToImport,
} from './import-model.ts';
export { ModelFollower } from './model-follower.ts';
export { type CommandOptions, commandModel } from './publish-version.ts';
export {
  type KReport,
  type RecommendKOptions,
  type RecommendKProgress,
  runRecommendK,
  scoreHere,
} from './recommend-k.ts';
export type { DecodePoints, PlannedRange } from './replay.ts';
export {
  type RefitOptions,
  type RetrainOptions,
  type RetrainProgress,
  type RetrainReport,
  refit,
  runRetrain,
} from './retrain.ts';
export {
  type RetrainHooks,
  RetrainRunner,
  type RetrainRunnerOptions,
  type RunRetrainCommand,
  retrainGroup,
} from './retrain-runner.ts';
