// The plain kernel: what every faster one is compared with. Sums are float64 over float32 data, one dimension after the
// other; a centroid is given up as soon as its partial sum reaches the runner-up (which cannot change the answer).

import type { Kernels } from './kernels.ts';

/** Dimensions summed between two looks at the bound. */
const stride = 8;

function nearestTwo(
  points: Float32Array,
  n: number,
  dims: number,
  centroids: Float32Array,
  k: number,
  labels: Int32Array,
  nearest: Float32Array,
  second: Float32Array,
): void {
  for (let row = 0; row < n; row++) {
    const base = row * dims;
    let label = 0;
    let first = Infinity;
    let runnerUp = Infinity;
    for (let j = 0; j < k; j++) {
      const offset = j * dims;
      let sum = 0;
      for (let d = 0; d < dims && sum < runnerUp; ) {
        const end = Math.min(d + stride, dims);
        for (; d < end; d++) {
          const difference = points[base + d]! - centroids[offset + d]!;
          sum += difference * difference;
        }
      }
      if (sum < first) {
        runnerUp = first;
        first = sum;
        label = j;
      } else if (sum < runnerUp) runnerUp = sum;
    }
    labels[row] = label;
    nearest[row] = first;
    second[row] = runnerUp;
  }
}

export const referenceKernels: Kernels = { name: 'reference', nearestTwo };
