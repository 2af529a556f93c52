// What the owner of a model does with its state, step by step: pure, so that whoever has the logs can take the same steps again.

import {
  type BootstrapProblem,
  bootstrapModel,
  chooseKernels,
  completePoints,
  countDistinct,
  distanceBins,
  type FirstModel,
  type LifecycleEvent,
  type OnlineModel,
} from '../clustering/index.ts';
import {
  type CentroidDelta,
  generationOf,
  type Metric,
  type MissingPolicy,
  type Model,
  parseVersion,
} from '../schemas/index.ts';
import { adoptedIds, revivedIds } from './adopted-ids.ts';
import type { FoldState } from './fold-state.ts';
import type { SampleBuffer } from './sample-buffer.ts';

/** Of the first model; one that is promoted has its own. */
export interface SeedOptions {
  readonly k: number;
  readonly scaling: boolean;
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly seed: number;
}

/** Version 1.0.0 from samples. @returns how many distinct points there are: nothing is done while there are fewer than k */
export function seedFirst(state: FoldState, samples: SampleBuffer, options: SeedOptions): number {
  const problem = firstProblem(samples, options);
  const distinct = distinctPoints(problem);
  if (distinct < options.k) return distinct;
  const { kernels } = chooseKernels();
  beginFirst(state, samples, options, bootstrapModel({ ...problem, kernels }));
  return distinct;
}

/** What is fitted for version 1.0.0: all points of the samples. */
export function firstProblem(samples: SampleBuffer, options: SeedOptions): BootstrapProblem {
  const { k, seed, scaling, metric, missing } = options;
  return { ...samples.merged(), k, seed, scaling, metric, missing };
}

/** Of the points of a fit; at most k are counted. */
export function distinctPoints(problem: BootstrapProblem): number {
  const { n, dims, k, weights } = problem;
  return countDistinct(completePoints(problem), n, dims, k, weights);
}

/** Version 1.0.0, fitted to these samples. */
export function beginFirst(
  state: FoldState,
  samples: SampleBuffer,
  { k, seed, missing }: SeedOptions,
  first: FirstModel,
): void {
  const features = samples.samples[0]?.features ?? [];
  const clusterIds = Array.from({ length: k }, (_, j) => `c${j + 1}`);
  const { featureMeans } = first;
  state.begin(
    { name: '1.0', parent: null, origin: 'bootstrap', seed, features, missing, featureMeans },
    first,
    { clusterIds, nextClusterNumber: k + 1, offsets: {} },
    { timestampMs: samples.timestampMs },
  );
  for (const sample of samples.samples) state.passed(sample);
  samples.clear();
}

/** A candidate becomes what the owner goes on from. */
export function takeUpCandidate(state: FoldState, candidate: Model): void {
  const { parent, origin, seed, features, missing, featureMeans, lineage, parameters } = candidate;
  const name = generationOf(candidate.version);
  state.begin(
    { name, parent, origin, seed, features, missing, featureMeans, lineage, parameters },
    candidate,
    adoptedIds(candidate, state),
  );
}

/** So does what a former champion had learned, under the name of a generation of its own: its old one has been lived. */
export function takeUpFormer(state: FoldState, former: Model, name: string): void {
  const { version: parent, seed, features, missing, featureMeans, parameters } = former;
  state.begin(
    { name, parent, origin: 'rollback', seed, features, missing, featureMeans, parameters },
    former,
    revivedIds(former, state),
  );
}

export type FoldOutcome = 'folded' | 'stale' | 'pinned' | 'invalid';

/** What happened to a cluster, with the ids of whom it happened to. */
export interface NamedEvent extends LifecycleEvent {
  readonly clusterId: string;
  readonly otherId: string;
}

/** One decay step, if the delta belongs to the generation and the model learns. @param report is called for each event */
export function foldDelta(
  state: FoldState,
  delta: CentroidDelta,
  report: (event: NamedEvent) => void = () => {},
): FoldOutcome {
  const { generation, online, decided } = state;
  if (decided.pinnedBy !== null) return 'pinned';
  if (online === undefined || generationOf(delta.modelVersion) !== generation?.name) return 'stale';
  if (!fits(delta, online)) {
    // Its range is over: whoever has sent it would wait for ever for a model that has come to its end.
    state.passed(delta);
    return 'invalid';
  }
  const events = online.fold(delta, parseVersion(delta.modelVersion).patch);
  state.passed(delta);
  for (const event of events) report({ ...event, ...named(state, event) });
  return 'folded';
}

/** A slot that is born anew gets an id nobody had before. */
function named(state: FoldState, { type, slot, other }: LifecycleEvent) {
  const otherId = state.clusterIds[other]!;
  if (type === 'born' || type === 'split') state.mint(slot);
  return { clusterId: state.clusterIds[slot]!, otherId };
}

function fits(delta: CentroidDelta, { basis: { k, dims }, halfLife }: OnlineModel): boolean {
  const { clusters, sums, distanceHistogram, candidates, candidateWeights, landmarkMs } = delta;
  return (
    (halfLife.unit === 'ms' ? landmarkMs % halfLife.value === 0 : landmarkMs === -1) &&
    clusters.every((slot) => slot >= 0 && slot < k) &&
    sums.length === clusters.length * dims &&
    distanceHistogram.length === clusters.length * distanceBins &&
    candidates.length * 2 === candidateWeights.length * dims
  );
}
