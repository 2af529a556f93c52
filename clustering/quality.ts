// How good a clustering is, from its mergeable statistics (weight and sum of squares per cluster) alone.

interface ClusterStatistics {
  readonly weights: Float64Array;
  /** Σ weight · squared distance to the centroid, model space. */
  readonly sumSquares: Float64Array;
}

export interface ClusteringQuality {
  readonly inertia: number;
  readonly weight: number;
  readonly meanSquaredDistance: number;
  readonly imbalance: number;
}

export function clusteringQuality({ weights, sumSquares }: ClusterStatistics): ClusteringQuality {
  let inertia = 0;
  let weight = 0;
  for (let j = 0; j < weights.length; j++) {
    inertia += sumSquares[j]!;
    weight += weights[j]!;
  }
  const meanSquaredDistance = weight > 0 ? inertia / weight : 0;
  return { inertia, weight, meanSquaredDistance, imbalance: imbalance(weights) };
}

/** k·Σw²/(Σw)²: 1 when all clusters weigh the same, k when one has everything. */
export function imbalance(weights: Float64Array): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  if (!(sum > 0)) return 1;
  let squares = 0;
  for (const weight of weights) squares += (weight / sum) ** 2;
  return weights.length * squares;
}

/** Root mean squared distance of a cluster's points from its centroid, model space; 0 without points. */
export function clusterRadius(sumSquares: number, weight: number): number {
  return weight > 0 ? Math.sqrt(sumSquares / weight) : 0;
}

/** The radius a few typical points would give when added: what a distance is measured against, never 0 by chance. */
export function smoothedRadii({ weights, sumSquares }: ClusterStatistics): Float64Array {
  const { meanSquaredDistance } = clusteringQuality({ weights, sumSquares });
  const typical = meanSquaredDistance > 0 ? meanSquaredDistance : 1;
  return weights.map((weight, j) =>
    Math.sqrt((sumSquares[j]! + typicalPoints * typical) / (weight + typicalPoints)),
  );
}

const typicalPoints = 10;
