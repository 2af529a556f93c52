// Quality of the last windows, added up. Summaries add within a generation, for there the cluster list is one and the same.

import { generationOf, type QualitySummary } from '../../schemas/index.ts';

export interface QualityReport {
  readonly modelVersion: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
  readonly weight: number;
  readonly meanSquaredDistance: number;
  readonly meanStandardisedDistance: number;
  readonly outlierRate: number;
  /** Share of the points by cluster, in the model's order. */
  readonly clusterShares: readonly number[];
}

/** Of the newest generation; undefined without points. */
export function qualityReport(summaries: readonly QualitySummary[]): QualityReport | undefined {
  const newest = summaries.at(-1);
  if (newest === undefined) return undefined;
  const generation = generationOf(newest.modelVersion);
  const same = summaries.filter(({ modelVersion }) => generationOf(modelVersion) === generation);
  const sum = (of: (summary: QualitySummary) => number) =>
    same.reduce((total, summary) => total + of(summary), 0);
  const count = sum((summary) => summary.count);
  const weight = sum((summary) => summary.weight);
  if (count === 0) return undefined;
  const times = same.map(({ timestampMs }) => timestampMs);
  return {
    modelVersion: newest.modelVersion,
    fromMs: Math.min(...times),
    toMs: Math.max(...times),
    count,
    weight,
    meanSquaredDistance: weight > 0 ? sum((summary) => summary.inertia) / weight : 0,
    meanStandardisedDistance: sum((summary) => summary.standardisedDistanceSum) / count,
    outlierRate: sum((summary) => summary.outliers) / count,
    clusterShares: Array.from(
      newest.clusterCounts,
      (_, i) => sum((summary) => summary.clusterCounts[i] ?? 0) / count,
    ),
  };
}
