// The messages between tasks, as the code sees them. Their Avro schemas stand beside this file (*.avsc, same names,
// same fields); codecs.ts turns one into the other. Arrays of numbers travel as little-endian bytes.

import type { HalfLife, Model, OffsetRange } from './model.ts';

/** What one task learned from [fromOffset, nextOffset) of a partition against one model version. Adds up exactly. */
export interface CentroidDelta {
  readonly kind: 'delta';
  readonly modelVersion: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  /** Newest event time in it. */
  readonly timestampMs: number;
  /** What event time its weights are as of: a multiple of the half-life. -1 when the half-life is no time. */
  readonly landmarkMs: number;
  /** In event time, later timestamps counted as this one: the task's own clock and what it may be off by; else -1. */
  readonly timestampCapMs: number;
  /** Indices into the model's cluster list, touched clusters only, rising. */
  readonly clusters: Int32Array;
  /** Σ weight, per touched cluster (float64). */
  readonly weights: Float64Array;
  /** Σ weight·(x − reference), touched × dims, input units. */
  readonly sums: Float64Array;
  /** Σ weight·‖(x − reference)/scale‖², per touched cluster. */
  readonly sumSquares: Float64Array;
  /** touched × bins: Σ weight by distance to the version's centroid (clustering/distance-histogram.ts). */
  readonly distanceHistogram: Float64Array;
  /** A few points far from every centroid, sampled with a seed from the offsets: c × dims, input units. */
  readonly candidates: Float32Array;
  /** Two per candidate: its own weight, and the weight of the points it stands for (clustering/mini-batch.ts). */
  readonly candidateWeights: Float64Array;
}

/** Points seen before there was a model, for seeding. `values` is n × dims. */
export interface BootstrapSample {
  readonly kind: 'sample';
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly timestampMs: number;
  readonly dims: number;
  readonly features: readonly string[];
  readonly values: Float32Array;
  readonly weights: Float32Array;
}

export type LearningMessage = CentroidDelta | BootstrapSample;

/** Names that point at versions. `champion` is what points are assigned with; it moves with every epoch. */
export type ModelAlias = 'champion' | 'challenger' | 'shadow';

/**
 * A request with its author, kept as an audit. What became of it is a decision.
 *
 *   promote    a candidate becomes champion: `version`
 *   rollback   the champion becomes what a version that was champion had learned: `version`, or what it has replaced
 *   alias      `alias` points at `version` from now on, or at nothing
 *   pin        the champion neither learns nor is replaced until `unpin`
 *   prune      `versions` are forgotten, all of them, when nothing needs one
 */
export interface ModelCommand {
  readonly command: 'promote' | 'rollback' | 'alias' | 'pin' | 'unpin' | 'prune';
  readonly version?: string | null;
  /** Of `prune` only. */
  readonly versions?: readonly string[];
  /** Of `alias` only; the others are about the champion. */
  readonly alias?: 'challenger' | 'shadow';
  /** By which the sender finds its decision. */
  readonly id?: string;
  /** Obeyed only while the newest decision about the alias is this one; 0 is none. */
  readonly expected?: number;
  /** Of a promotion that follows from a comparison: obeyed only while `shadow` points at the version by this very decision. */
  readonly judged?: number;
  readonly requestedBy: string;
  readonly reason: string;
  readonly timestampMs: number;
}

export const retrainTriggers = ['schedule', 'points', 'drift', 'hand'] as const;
export type RetrainTrigger = (typeof retrainTriggers)[number];

/** On the same audit log: obeyed by whoever runs retrains, one at a time. */
export interface RetrainCommand {
  readonly command: 'retrain';
  readonly trigger: RetrainTrigger;
  /** Default: the current model's. */
  readonly k?: number;
  readonly requestedBy: string;
  readonly reason: string;
  readonly timestampMs: number;
}

/** A retrain that was asked for is not wanted any more: not begun, or ended where it stands. */
export interface CancelRetrainCommand {
  readonly command: 'cancel-retrain';
  /** Of the request: its offset. */
  readonly id: string;
  readonly requestedBy: string;
  readonly reason: string;
  readonly timestampMs: number;
}

/** What the owner of the model made of a command, or did by itself. Kept for good, numbered without gaps. */
export interface ModelDecision {
  /** 1, 2, … */
  readonly number: number;
  readonly action: 'bootstrap' | ModelCommand['command'];
  readonly alias: ModelAlias;
  readonly outcome: 'applied' | 'refused';
  /** Why it was refused; null when it was applied. */
  readonly refusal: string | null;
  /** What the command named. */
  readonly asked: string | null;
  /** What the alias points at from here on, and before. A rollback has a version of its own. */
  readonly version: string | null;
  readonly previous: string | null;
  readonly commandId: string | null;
  readonly requestedBy: string;
  readonly reason: string;
  readonly requestedAtMs: number;
  readonly decidedAtMs: number;
  /** Deltas before this offset were taken in before it. */
  readonly deltaOffset: number;
  /** Versions whose records are gone with it; their names are never given again. */
  readonly pruned?: readonly string[];
}

/** Where a version lies outside of the log. Said once it lies there. */
export interface VersionArtifact {
  readonly version: string;
  /** Of the record that it holds: a candidate that is promoted is recorded anew. */
  readonly createdAtMs: number;
  readonly deltaOffset: number;
  /** "sha256/…", by its content: the version as safetensors. */
  readonly artifact: string;
  readonly bytes: number;
  /** Artifacts that its making began with or left behind (its parent, coresets). */
  readonly others: readonly string[];
  readonly archivedAtMs: number;
}

/** What a task saw since its last commit, against one model version; windows downstream add these up. */
export interface QualitySummary {
  readonly modelVersion: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly timestampMs: number;
  /** Points, and their total weight. */
  readonly count: number;
  readonly weight: number;
  /** k: sampled points by nearest reference centroid, so that bins stay put for a generation (quality-accumulator.ts). */
  readonly clusterCounts: Float64Array;
  /** Sums over points of the distance, and its square, divided by the cluster's radius (standardised distance). */
  readonly standardisedDistanceSum: number;
  readonly standardisedDistanceSquareSum: number;
  /** Sum of squared distances, model space. */
  readonly inertia: number;
  /** dims each: Σ of features and of their squares, scaled by the model's scaler. */
  readonly featureSums: Float64Array;
  readonly featureSquareSums: Float64Array;
  /** Points whose outlier score was at least 0.99. */
  readonly outliers: number;
}

/** What a task saw since its last commit of the champion and of the version beside it, on the same sampled points. */
export interface ShadowSummary {
  /** The decision that set the alias `shadow`. */
  readonly decision: number;
  readonly shadowVersion: string;
  readonly championVersion: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  /** Sampled points, and their total weight. */
  readonly count: number;
  readonly weight: number;
  /** Σ weight · squared distance, each to its nearest centroid, both in the shadow's space. */
  readonly championInertia: number;
  readonly shadowInertia: number;
  /** Points that both gave to the same cluster id. */
  readonly sameIds: number;
}

/** How a version has done beside the champion so far: a sum of summaries. */
export interface ShadowComparison {
  readonly decision: number;
  readonly shadowVersion: string;
  /** The newest that was compared with. */
  readonly championVersion: string;
  readonly points: number;
  /** Judged when there are so many. */
  readonly pointsMin: number;
  /** By which share the shadow must be better, 0…1. */
  readonly margin: number;
  readonly weight: number;
  readonly championInertia: number;
  readonly shadowInertia: number;
  readonly sameIds: number;
  /** Mean squared distances, in the shadow's space. */
  readonly championError: number;
  readonly shadowError: number;
  /** Share of points whose cluster id is the same under both, 0…1. */
  readonly idStability: number;
  readonly state: 'running' | 'better' | 'not-better';
}

/** One closed window of the drift detectors. */
export interface DriftReport {
  readonly window: number;
  readonly modelVersion: string;
  readonly timestampMs: number;
  readonly count: number;
  /** Population stability index of cluster shares against the reference window; absent while there is none. */
  readonly psi: number | null;
  /** Page-Hinkley statistic on the standardised distance, larger side; and its threshold. */
  readonly pageHinkley: number;
  readonly pageHinkleyThreshold: number;
  /** Largest |mean − reference mean| of a feature, in model-space units; absent without a reference. */
  readonly featureShift: number | null;
  readonly meanStandardisedDistance: number;
  readonly outlierRate: number;
  /** Event time since which the stream has looked as it does now, no earlier than its generation, and points since then. */
  readonly stableSinceMs?: number;
  readonly stablePoints?: number;
  readonly level: 'none' | 'warning' | 'alarm';
  /** Detectors that fired, e.g. ["psi"]. */
  readonly detectors: readonly string[];
}

/** Models with other parameters beside the one in use, on a sample of the stream: how they do so far. */
export interface ChallengerReport {
  /** The model in use. */
  readonly modelVersion: string;
  readonly startedAtMs: number;
  readonly timestampMs: number;
  /** Points the comparison stands for, and those it has looked at. */
  readonly points: number;
  readonly sampled: number;
  readonly blocks: number;
  /** The first is the baseline: the parameters in use, learned from the same sample. */
  readonly contenders: readonly ChallengerResult[];
  /** Its name; the baseline's when nothing is surely better; null while it is too early to say. */
  readonly recommended: string | null;
  readonly reasons: readonly string[];
}

export interface ChallengerResult {
  readonly name: string;
  readonly k: number;
  readonly halfLife: HalfLife;
  readonly isBaseline: boolean;
  /** Of points before they are learned, in the space of the trial. */
  readonly meanSquaredDistance: number;
  /** Against the baseline: -0.03 is three per cent less. */
  readonly change: number;
  /** Simplified: mean of (second - first) / second of the distances to the nearest two centroids. */
  readonly silhouette: number;
  readonly calinskiHarabasz: number | null;
  readonly idStability: number;
  readonly relocations: number;
  /** That it is better than the baseline by the margin, 0…1. */
  readonly confidence: number;
}

export type ClusterEventType = 'born' | 'died' | 'split' | 'merged' | 'moved' | 'remapped';

export interface ClusterEvent {
  readonly type: ClusterEventType;
  readonly clusterId: string;
  readonly modelVersion: string;
  readonly timestampMs: number;
  readonly details: Readonly<Record<string, string | number | readonly string[]>>;
}

/** The JSON that leaves on `assignments` (field order as here). */
export interface Assignment {
  readonly key: string | null;
  readonly clusterId: string;
  readonly distance: number;
  readonly margin: number;
  readonly outlierScore: number;
  readonly modelVersion: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

export type { Model, OffsetRange };
