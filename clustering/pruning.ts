// The triangle inequality saves most distances of Lloyd's k-means (G. Hamerly, 2010; C. Elkan, 2003):
//
// 1. Each point keeps u ≥ its distance to its centroid and l ≤ its distance to every other.
// 2. When centroids move by p_j: u += p_label, l −= the largest p of the others.
// 3. With s = half the distance from its centroid to the nearest other one: u < max(l, s) proves that the label stands.
// 4. Where it does not, u is measured; where it still does not, all centroids are: a block of such points at a time, by
//    the kernel, which costs less than the tests of finer bounds (Elkan's one for each centroid) would.
//
// Here: what happens once an iteration. kernels/bounds.ts has what happens for each point.

import { grow, shrink } from './kernels/bounds.ts';
import type { Moves } from './kernels/kernels.ts';

/** The two largest drifts: a point's other centroids moved at most by the largest that is not its own. */
export function movesOf(drift: Float64Array, half: Float64Array): Moves {
  let most = 0;
  let others = 0;
  for (let j = 1; j < drift.length; j++) {
    if (drift[j]! > drift[most]!) {
      others = drift[most]!;
      most = j;
    } else if (drift[j]! > others) others = drift[j]!;
  }
  return { drift, half, most, largest: drift[most]!, others };
}

/** How far each centroid went, rounded up. @param before and @param after k × dims. */
export function measureDrift(
  before: Float32Array,
  after: Float32Array,
  dims: number,
  drift: Float64Array,
): void {
  for (let j = 0; j < drift.length; j++) {
    let square = 0;
    for (let i = j * dims; i < (j + 1) * dims; i++) square += (after[i]! - before[i]!) ** 2;
    drift[j] = Math.sqrt(square) * grow;
  }
}

/** Half the distance to the nearest other centroid, rounded down, from all k × k squares. */
export function halfDistances(squares: Float64Array, k: number, half: Float64Array): void {
  for (let j = 0; j < k; j++) {
    let least = Infinity;
    for (let i = 0; i < k; i++) if (i !== j) least = Math.min(least, squares[j * k + i]!);
    half[j] = 0.5 * Math.sqrt(least) * shrink;
  }
}
