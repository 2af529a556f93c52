// The triangle inequality saves most distances of Lloyd's k-means (G. Hamerly, 2010; C. Elkan, 2003):
//
// 1. Each point keeps u ≥ its distance to its centroid and l ≤ its distance to every other.
// 2. When centroids move by p_j: u += p_label, l −= the largest p of the others.
// 3. With s = half the distance from its centroid to the nearest other one: u < max(l, s) proves that the label stands.
//    Only points that fail are measured, all centroids at once, by the kernels: a block of them costs less than the
//    tests of finer bounds (Elkan's one for each centroid, Yinyang's one for each group) would.
//
// Exact: bounds are rounded outwards by 2⁻²², more than all roundings since the kernels' float32 squares; so a proven label
// is nearer by more than float64 could get wrong, and is the very label that the kernels would give.

const grow = 1 + 2 ** -22;
const shrink = 1 - 2 ** -22;
/** What a squared distance may lose to float32's smallest steps, and the largest that it can hold. */
const underflow = 2 ** -149;
const largest = 3.4e38;

/** A distance that the root of a float32 square does not exceed. */
export function upperBound(square: number): number {
  return Math.sqrt(square * grow + underflow) * grow;
}

/** A distance that is not above the root of a float32 square; Infinity stands for anything too large for float32. */
export function lowerBound(square: number): number {
  const sure = Math.min(square, largest) * shrink - underflow;
  return sure > 0 ? Math.sqrt(sure) * shrink : 0;
}

export interface Drift {
  /** The largest move of all centroids but `most`, and of `most`. */
  readonly others: number;
  readonly largest: number;
  readonly most: number;
}

/** The two largest moves: a point's other centroids moved at most by the largest that is not its own. */
export function largestDrift(drift: Float64Array): Drift {
  let most = 0;
  let others = 0;
  for (let j = 1; j < drift.length; j++) {
    if (drift[j]! > drift[most]!) {
      others = drift[most]!;
      most = j;
    } else if (drift[j]! > others) others = drift[j]!;
  }
  return { others, largest: drift[most]!, most };
}

/**
 * Moves the bounds of rows from ≤ row < to by the centroids' drift.
 * @param unproven out: rows whose label is not proven any more. @returns how many
 */
export function moveBounds(
  from: number,
  to: number,
  labels: Int32Array,
  upper: Float32Array,
  lower: Float32Array,
  drift: Float64Array,
  half: Float64Array,
  { others, largest, most }: Drift,
  unproven: Int32Array,
): number {
  let count = 0;
  for (let row = from; row < to; row++) {
    const label = labels[row]!;
    const u = (upper[row]! + drift[label]!) * grow;
    const room = lower[row]! - (label === most ? others : largest);
    const l = room > 0 ? room * shrink : 0;
    upper[row] = u;
    lower[row] = l;
    // Written so that a bound that is no number proves nothing.
    if (u < l || u < half[label]!) continue;
    unproven[count++] = row;
  }
  return count;
}

/** Moves per centroid, rounded up: `before` and `after` are k × dims. */
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
