// Distances of a cluster's points as 64 bins in steps of a quarter of an octave: bin b covers 2^((b−40)/4) … 2^((b−39)/4),
// the first bin starts at 0 and the last has no end. Bins add up and decay like weights; their share below a distance is
// the outlier score.

export const distanceBins = 64;

const binOfOne = 40;
export const binsPerOctave = 4;

/** A power costs as much as a distance: the edges are kept. The last is where the last bin would end. */
export const distanceEdges = Float64Array.from({ length: distanceBins + 1 }, (_, bin) =>
  bin === 0 ? 0 : 2 ** ((bin - binOfOne) / binsPerOctave),
);

const float64 = new Float64Array(1);
/** Its two halves; the one that holds the exponent is where the sign of −1 shows. */
const halves = new Int32Array(float64.buffer);
float64[0] = -1;
const upper = halves[0] === 0 ? 1 : 0;

/** The last bin that begins at or below the distance. Its octave is the exponent: no logarithm is needed. */
export function distanceBin(distance: number): number {
  float64[0] = distance;
  const octave = ((halves[upper]! >>> 20) & 0x7ff) - 1023;
  const first = octave * binsPerOctave + binOfOne;
  if (first < 0) return 0;
  if (first >= distanceBins) return distanceBins - 1;
  if (distance < distanceEdges[first + 2]!)
    return distance < distanceEdges[first + 1]! ? first : first + 1;
  return distance < distanceEdges[first + 3]! ? first + 2 : first + 3;
}

/** Lower edge of a bin; 0 for the first. */
export function binStart(bin: number): number {
  return distanceEdges[bin]!;
}

/** Running totals of k histograms, k × (bins + 1): what `shareBelow` reads. */
export function cumulativeHistogram(histogram: Float64Array, k: number): Float64Array {
  const totals = new Float64Array(k * (distanceBins + 1));
  for (let j = 0; j < k; j++) {
    let sum = 0;
    for (let bin = 0; bin < distanceBins; bin++) {
      sum += histogram[j * distanceBins + bin]!;
      totals[j * (distanceBins + 1) + bin + 1] = sum;
    }
  }
  return totals;
}

/** Share of cluster `j` below `distance`, straight within a bin; 0 when the cluster has no points. */
export function shareBelow(cumulative: Float64Array, j: number, distance: number): number {
  const base = j * (distanceBins + 1);
  const total = cumulative[base + distanceBins]!;
  if (!(total > 0)) return 0;
  const bin = distanceBin(distance);
  const start = binStart(bin);
  const within = Math.min(1, (distance - start) / (binStart(bin + 1) - start));
  const below = cumulative[base + bin]!;
  return Math.min(1, Math.max(0, (below + within * (cumulative[base + bin + 1]! - below)) / total));
}
