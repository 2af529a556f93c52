// The kernels as machine code. `npm run build` compiles kernels.c and addon.c where there is a C compiler, for every
// instruction set that may turn up; the addon offers those this processor has, the fastest first.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { assert } from '../../support/index.ts';
import { distanceBins, distanceEdges } from '../distance-histogram.ts';
import type { BoundKernels, CentroidPanels, Kernels, StreamKernels } from './kernels.ts';

/** What addon.c exports per instruction set. The functions check their columns, and say how many points fell back. */
interface NativeFunctions {
  panelFloats(k: number, dims: number): number;
  pack(centroids: Float32Array, k: number, dims: number, packed: Float32Array): void;
  nearest(n: number, dims: number, k: number, ...columns: Column[]): number;
  nearestTwo(n: number, dims: number, k: number, ...columns: Column[]): number;
  accumulate(n: number, dims: number, k: number, ...columns: Column[]): void;
  assignAccumulate(n: number, dims: number, k: number, ...columns: Column[]): number;
  pairwise(n: number, m: number, dims: number, ...columns: Column[]): void;
  dots(n: number, dims: number, k: number, ...columns: Column[]): void;
  scalePoints(
    n: number,
    dims: number,
    values: Float32Array,
    mean: Float64Array,
    scale: Float64Array,
    limit: number,
    out: Float32Array,
  ): void;
  proveLabels(n: number, dims: number, k: number, ...columns: (Column | number)[]): number;
  transfer(n: number, dims: number, k: number, ...columns: Column[]): void;
  ownSquares(n: number, dims: number, k: number, ...columns: Column[]): void;
  nearestBounds(n: number, dims: number, k: number, ...columns: Column[]): number;
  answer(n: number, k: number, cosine: number, ...columns: Column[]): void;
  addFeatures(n: number, dims: number, ...columns: Column[]): void;
  gatherEvery(n: number, dims: number, every: number, ...columns: Column[]): number;
  tally(
    from: number,
    n: number,
    k: number,
    salt: number,
    rank: number,
    ...columns: Column[]
  ): number;
}

type Column = Float32Array | Float64Array | Int32Array | undefined;

/** Beside this module in dist/; sources find the built one. */
const places = ['./kernels.node', '../../dist/clustering/kernels/kernels.node'];

/** Every native set that runs on this processor, the fastest first. @throws when none was built or it does not load */
export function loadNativeKernels(): Kernels[] {
  const require = createRequire(import.meta.url);
  let reason: unknown;
  for (const place of places) {
    try {
      const addon = require(fileURLToPath(new URL(place, import.meta.url))) as object;
      return Object.entries(addon).map(([name, functions]) => kernelsOf(name, functions));
    } catch (error) {
      if (!isMissing(error)) throw error;
      reason ??= error;
    }
  }
  throw new Error('no native kernels were built', { cause: reason });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
}

function kernelsOf(variant: string, native: NativeFunctions): Kernels {
  const layout = `native ${variant}`;
  const own = (panels: CentroidPanels): CentroidPanels => {
    assert(panels.layout === layout, 'centroids are packed for these kernels');
    return panels;
  };
  return {
    name: 'native',
    layout,
    prepare(centroids, k, dims) {
      const packed = new Float32Array(native.panelFloats(k, dims));
      native.pack(centroids, k, dims, packed);
      return { k, dims, centroids: centroids.slice(0, k * dims), packed, layout };
    },
    nearest(points, n, panels, labels, distances) {
      const { k, dims, centroids, packed } = own(panels);
      native.nearest(n, dims, k, points, centroids, packed, labels, distances);
    },
    nearestTwo(points, n, panels, labels, nearest, second) {
      const { k, dims, centroids, packed } = own(panels);
      native.nearestTwo(n, dims, k, points, centroids, packed, labels, nearest, second);
    },
    accumulate(values, weights, labels, n, basis, { column }) {
      const { k, dims, reference, inverseScale } = basis;
      native.accumulate(n, dims, k, values, weights, labels, reference, inverseScale, column);
    },
    assignAccumulate(points, weights, n, panels, reference, labels, { column }) {
      const { k, dims, centroids, packed } = own(panels);
      const out = [reference, labels, column] as const;
      native.assignAccumulate(n, dims, k, points, weights, centroids, packed, ...out);
    },
    pairwise(points, n, others, m, dims, out) {
      native.pairwise(n, m, dims, points, others, out);
    },
    dots(points, n, panels, out) {
      const { k, dims, packed } = own(panels);
      native.dots(n, dims, k, points, packed, out);
    },
    scalePoints(values, n, dims, { mean, scale }, limit, out) {
      native.scalePoints(n, dims, values, mean, scale, limit, out);
    },
    bounds: boundsOf(native),
    stream: streamOf(native),
  };
}

function boundsOf(native: NativeFunctions): BoundKernels {
  return {
    nearestBounds(points, n, { k, dims, centroids, packed }, labels, { upper, lower }) {
      native.nearestBounds(n, dims, k, points, centroids, packed, labels, upper, lower);
    },
    proveLabels(points, n, { k, dims, centroids }, labels, bounds, moves, unproven, gathered) {
      const { drift, half, others, largest, most } = moves;
      const columns = [points, centroids, labels, bounds.upper, bounds.lower, drift, half];
      const out = [unproven, gathered];
      return native.proveLabels(n, dims, k, ...columns, others, largest, most, ...out);
    },
    transfer(values, weights, before, after, n, { k, dims, reference }, { column }) {
      native.transfer(n, dims, k, values, weights, before, after, reference, column);
    },
    ownSquares(points, n, { k, dims, centroids }, labels, out) {
      native.ownSquares(n, dims, k, points, centroids, labels, out);
    },
  };
}

function streamOf(native: NativeFunctions): StreamKernels {
  return {
    answer(n, k, cosine, totals, columns) {
      const { labels, euclidean, second, distances, margins, outlierScores } = columns;
      const out = [distances, margins, outlierScores];
      native.answer(n, k, Number(cosine), labels, euclidean, second, totals, distanceEdges, ...out);
    },
    addFeatures(points, n, dims, sums, squares) {
      native.addFeatures(n, dims, points, sums, squares);
    },
    gatherEvery(points, offsets, n, dims, every, out) {
      return native.gatherEvery(n, dims, every, points, offsets, out);
    },
    tally(weights, labels, distances, offsets, from, n, salt, rank, histogram) {
      const k = histogram.length / distanceBins;
      const columns = [weights, labels, distances, offsets, distanceEdges, histogram];
      return native.tally(from, n, k, salt, rank, ...columns);
    },
  };
}
