// What happens to a batch, one file each. processor.ts is the contract. A processor sees columns and a context, nothing
// of brokers or threads.

export { AssignPoints, type AssignPointsOptions } from './assign-points.ts';
export {
  type Challenger,
  CompareChallengers,
  type CompareChallengersOptions,
} from './compare-challengers.ts';
export { DecodePoints, type DecodePointsOptions } from './decode-points.ts';
export { DetectDrift, type DetectDriftOptions } from './detect-drift.ts';
export { FoldCentroids, type FoldCentroidsOptions } from './fold-centroids.ts';
export { FoldState } from './fold-state.ts';
export { JudgeShadow, type JudgeShadowOptions } from './judge-shadow.ts';
export {
  foldDelta,
  type SeedOptions,
  seedFirst,
  takeUpCandidate,
  takeUpFormer,
} from './owner-steps.ts';
export type { Processor, ProcessorContext, PunctuationKind } from './processor.ts';
export { modelOf } from './published-model.ts';
export { RequestRetrains } from './request-retrains.ts';
export type { RetrainTriggerOptions } from './retrain-triggers.ts';
export { SampleBuffer } from './sample-buffer.ts';
export { centroidsStore, challengersStore, driftStore, retrainTriggersStore } from './stores.ts';
