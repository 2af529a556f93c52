// The criteria as people read them: title, which way is better, the number of one K.

import type { KReport } from '../../jobs/index.ts';

type CurvePoint = KReport['curve'][number];
type Criterion = KReport['votes'][number]['criterion'];

export interface CriterionColumn {
  readonly criterion: Criterion;
  readonly title: string;
  readonly reading: string;
  /** Undefined where that K has none. */
  readonly numberOf: (point: CurvePoint) => number | undefined;
}

export const criterionColumns: readonly CriterionColumn[] = [
  {
    criterion: 'separation',
    title: 'Overlap',
    reading: 'of the closest two clusters on held-out points; lower is further apart',
    numberOf: ({ k, overlap }) => (k === 1 ? undefined : overlap),
  },
  {
    criterion: 'gap',
    title: 'Gap',
    reading: 'to points without clusters; the first K that the next does not beat',
    numberOf: ({ gap }) => gap,
  },
  {
    criterion: 'silhouette',
    title: 'Silhouette',
    reading: 'higher is better',
    numberOf: ({ silhouette }) => silhouette,
  },
  {
    criterion: 'calinskiHarabasz',
    title: 'Calinski-Harabasz',
    reading: 'higher is better',
    numberOf: ({ calinskiHarabasz }) => calinskiHarabasz,
  },
  {
    criterion: 'daviesBouldin',
    title: 'Davies-Bouldin',
    reading: 'lower is better',
    numberOf: ({ daviesBouldin }) => daviesBouldin,
  },
  {
    criterion: 'elbow',
    title: 'Inertia',
    reading: 'always falls; the elbow is where it stops falling fast',
    numberOf: ({ inertia }) => inertia,
  },
];

export function votedK(report: KReport, criterion: Criterion): number | undefined {
  return report.votes.find((vote) => vote.criterion === criterion)?.k;
}

/** "4 clusters, confidence 0.81: separation, gap (of 6 criteria) say 4." */
export function headline({ k, confidence, reasons }: KReport): string {
  const what = k === 1 ? 'No clusters (K = 1)' : `K = ${k}`;
  return `${what}, confidence ${confidence.toFixed(2)}. ${reasons[0] ?? ''}`.trim();
}

export function shortNumber(value: number | undefined): string {
  if (value === undefined) return '–';
  const size = Math.abs(value);
  return size >= 10_000 || (size > 0 && size < 0.001)
    ? value.toExponential(2)
    : value.toPrecision(3);
}
