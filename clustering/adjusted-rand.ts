// How much two labellings of the same points agree, beyond chance (L. Hubert and P. Arabie, 1985): 1 is the same clustering,
// 0 is what chance gives. Symmetric; numbering does not matter.

import { contingencyTable } from './contingency.ts';

export function adjustedRand(one: Int32Array, other: Int32Array): number {
  const [k, m] = [1 + largest(one), 1 + largest(other)];
  const { common, rowSizes, columnSizes } = contingencyTable(one, other, k, m);
  const [inRows, inColumns] = [pairsIn(rowSizes), pairsIn(columnSizes)];
  const expected = (inRows * inColumns) / Math.max(1, (one.length * (one.length - 1)) / 2);
  const most = (inRows + inColumns) / 2;
  return most === expected ? 1 : (pairsIn(common) - expected) / (most - expected);
}

function pairsIn(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + (count * (count - 1)) / 2, 0);
}

function largest(labels: Int32Array): number {
  return labels.reduce((most, label) => Math.max(most, label), -1);
}
