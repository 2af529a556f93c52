// What became of every cluster over a retrain, when clusters do not only keep or lose their identity.
//
// With n_ij common points of old i and new j, and n_i, n_j their points in all:
//
//     j came from i     when j has ≥ 20 % of i's points, and ≥ 50 % of its own from i
//     i went into j     when j has ≥ 50 % of i's points, and these are ≥ 20 % of j's
//
// An old cluster that two or more came from was split; a new one that two or more went into absorbed all but the one whose
// identity it has. Who keeps the identity is identity.ts's answer. Without kin a cluster was born, or died.

import { type ContingencyTable, contingencyTable } from './contingency.ts';
import type { ClusterMatch, MatchOptions } from './identity.ts';

export type NewFate =
  | { readonly fate: 'survived'; readonly old: number; readonly jaccard: number }
  | { readonly fate: 'split'; readonly old: number }
  | { readonly fate: 'born' };

export type OldFate =
  | { readonly fate: 'survived'; readonly new: number; readonly jaccard: number }
  /** Its points went on in several, none of which is it. */
  | { readonly fate: 'split'; readonly new: readonly number[] }
  | { readonly fate: 'absorbed'; readonly new: number }
  | { readonly fate: 'died' };

export interface Lineage {
  /** newK. */
  readonly newFates: readonly NewFate[];
  /** oldK. */
  readonly oldFates: readonly OldFate[];
}

const smallShare = 0.2;
const largeShare = 0.5;

export function lineageOf(
  {
    oldLabels,
    newLabels,
    weights,
    oldK,
    newK,
  }: Omit<MatchOptions, 'relativeDistance' | 'jaccardMin'>,
  match: ClusterMatch,
): Lineage {
  const table = contingencyTable(oldLabels, newLabels, oldK, newK, weights);
  const heirs = new Int32Array(oldK).fill(-1);
  for (let j = 0; j < newK; j++) if (match.oldOf[j]! >= 0) heirs[match.oldOf[j]!] = j;
  const offspring = Array.from({ length: oldK }, (_, i) => childrenOf(table, i, heirs[i]!));
  return {
    newFates: Array.from({ length: newK }, (_, j) => newFate(j, match, offspring)),
    oldFates: offspring.map((children, i) => oldFate(i, heirs[i]!, match, table, children)),
  };
}

export interface ClusterOrigin {
  readonly fate: 'survived' | 'split' | 'merged' | 'born';
  /** Old clusters that it is, or took points over from; its own identity first. */
  readonly from: readonly number[];
}

/** The same from where the new clusters stand: newK. */
export function originsOf({ newFates, oldFates }: Lineage): ClusterOrigin[] {
  return newFates.map((fate, j) => {
    const own = fate.fate === 'born' ? [] : [fate.old];
    const absorbed = oldFates.flatMap((old, i) =>
      old.fate === 'absorbed' && old.new === j && !own.includes(i) ? [i] : [],
    );
    const isMerger = fate.fate === 'born' && absorbed.length > 0;
    return { fate: isMerger ? 'merged' : fate.fate, from: [...own, ...absorbed] };
  });
}

/** The new clusters that came from i; none when there is but one, and the heir counts although it may hold more than i. */
function childrenOf(
  { columns, common, rowSizes, columnSizes }: ContingencyTable,
  i: number,
  heir: number,
) {
  const children: number[] = [];
  for (let j = 0; j < columns; j++) {
    const both = common[i * columns + j]!;
    if (!(both > 0) || both < smallShare * rowSizes[i]!) continue;
    if (j === heir || both >= largeShare * columnSizes[j]!) children.push(j);
  }
  return children.length >= 2 ? children : [];
}

function newFate(
  j: number,
  { oldOf, jaccard }: ClusterMatch,
  offspring: readonly (readonly number[])[],
): NewFate {
  if (oldOf[j]! >= 0) return { fate: 'survived', old: oldOf[j]!, jaccard: jaccard[j]! };
  const old = offspring.findIndex((children) => children.includes(j));
  return old >= 0 ? { fate: 'split', old } : { fate: 'born' };
}

function oldFate(
  i: number,
  heir: number,
  { jaccard }: ClusterMatch,
  { columns, common, rowSizes, columnSizes }: ContingencyTable,
  children: readonly number[],
): OldFate {
  if (heir >= 0) return { fate: 'survived', new: heir, jaccard: jaccard[heir]! };
  if (children.length > 0) return { fate: 'split', new: children };
  for (let j = 0; j < columns; j++) {
    const both = common[i * columns + j]!;
    if (!(both > 0) || both < largeShare * rowSizes[i]!) continue;
    if (both >= smallShare * columnSizes[j]!) return { fate: 'absorbed', new: j };
  }
  return { fate: 'died' };
}
