// Which new cluster is which old one, after a retrain.
//
// 1. Both models label one shared sample: n_ij points in old i and new j, n_i and n_j in all.
// 2. Jaccard J_ij = n_ij / (n_i + n_j − n_ij); cost 1 − J_ij, plus a hundredth of the distance of the centroids where given,
//    so that clusters without common points still pair with the nearer one.
// 3. The cheapest pairing of all clusters is found; a pair keeps its id when J ≥ 0.3.
//
// O(k³). An id is kept, or minted anew: never given to somebody else.

import { cheapestPairing } from './cheapest-pairing.ts';
import { type ContingencyTable, contingencyTable } from './contingency.ts';

export interface MatchOptions {
  /** Labels of the same points, old model and new. */
  readonly oldLabels: Int32Array;
  readonly newLabels: Int32Array;
  /** Of these points; 1 each when left out. */
  readonly weights?: Float32Array | undefined;
  readonly oldK: number;
  readonly newK: number;
  /** Distance of old centroid i from new centroid j relative to their radii, or anything in 0…1; a tie-breaker. */
  readonly relativeDistance?: (oldIndex: number, newIndex: number) => number;
  readonly jaccardMin?: number;
}

export interface ClusterMatch {
  /** newK: old index, or −1 for a new cluster. */
  readonly oldOf: Int32Array;
  /** newK: Jaccard index with the old one, 0 where there is none. */
  readonly jaccard: Float64Array;
  /** Share of the sample's points whose cluster kept its identity. */
  readonly stability: number;
}

export function matchClusters(options: MatchOptions): ClusterMatch {
  const { oldLabels, newLabels, weights, oldK, newK, relativeDistance } = options;
  const { jaccardMin = 0.3 } = options;
  const jaccard = jaccardOf(contingencyTable(oldLabels, newLabels, oldK, newK, weights));
  const size = Math.max(oldK, newK);
  const costs = new Float64Array(size * size).fill(1.02);
  for (let j = 0; j < newK; j++) {
    for (let i = 0; i < oldK; i++) {
      const far = Math.min(1, Math.max(0, relativeDistance?.(i, j) ?? 0));
      costs[j * size + i] = 1 - jaccard[i * newK + j]! + 0.01 * far;
    }
  }
  const oldOf = new Int32Array(newK).fill(-1);
  const kept = new Float64Array(newK);
  for (const [j, i] of cheapestPairing(costs, size).entries()) {
    if (j >= newK || i >= oldK || jaccard[i * newK + j]! < jaccardMin) continue;
    oldOf[j] = i;
    kept[j] = jaccard[i * newK + j]!;
  }
  return { oldOf, jaccard: kept, stability: stabilityOf(oldLabels, newLabels, oldOf) };
}

/** oldK × newK */
function jaccardOf({ common, columns, rowSizes, columnSizes }: ContingencyTable): Float64Array {
  return common.map((both, cell) => {
    if (both === 0) return 0;
    return both / (rowSizes[Math.floor(cell / columns)]! + columnSizes[cell % columns]! - both);
  });
}

function stabilityOf(oldLabels: Int32Array, newLabels: Int32Array, oldOf: Int32Array): number {
  let same = 0;
  for (let row = 0; row < oldLabels.length; row++) {
    if (oldOf[newLabels[row]!] === oldLabels[row]) same += 1;
  }
  return oldLabels.length === 0 ? 1 : same / oldLabels.length;
}
