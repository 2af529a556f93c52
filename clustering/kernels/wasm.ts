// The kernels as WebAssembly with 128-bit vectors, for machines without a compiler. kernels.wasm is kept in the repository;
// bin/build-kernels.mjs makes it from kernels.c. Columns are copied into its memory and out again, a block of rows at a
// time; packed centroids stay there until others are used.

import { readFileSync } from 'node:fs';
import { assert } from '../../support/index.ts';
import type { CentroidPanels, Kernels } from './kernels.ts';

/** What of the engine's global object is used here: the compiler's library for Node does not name it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly __heap_base: { readonly value: number };
  panel_floats(k: number, dims: number): number;
  scratch_floats(dims: number): number;
  pack(...numbers: number[]): void;
  nearest(...numbers: number[]): number;
  nearest_two(...numbers: number[]): number;
  accumulate(...numbers: number[]): void;
  assign_accumulate(...numbers: number[]): number;
  pairwise(...numbers: number[]): void;
  dots(...numbers: number[]): void;
  scale_points(...numbers: number[]): void;
}

type Column = Float32Array | Float64Array | Int32Array;

const layout = 'wasm';
/** Rows copied in at once: they stay in the cache. */
const blockRows = 1024;
const pageBytes = 65_536;
const nowhere = 0;

/** @throws when this engine has no WebAssembly SIMD */
export function loadWasmKernels(): Kernels {
  const bytes = readFileSync(new URL('./kernels.wasm', import.meta.url));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return new WasmKernels(instance.exports as WasmExports);
}

class WasmKernels implements Kernels {
  readonly name = 'wasm';
  readonly layout = layout;
  readonly #exports: WasmExports;
  readonly #heapBase: number;
  #floats: Float32Array;
  #doubles: Float64Array;
  #integers: Int32Array;
  /** Where the next column goes. */
  #top: number;
  #resident: CentroidPanels | undefined;
  #residentEnd: number;

  constructor(exports: WasmExports) {
    this.#exports = exports;
    this.#heapBase = aligned(exports.__heap_base.value);
    this.#top = this.#heapBase;
    this.#residentEnd = this.#heapBase;
    this.#floats = new Float32Array(exports.memory.buffer);
    this.#doubles = new Float64Array(exports.memory.buffer);
    this.#integers = new Int32Array(exports.memory.buffer);
  }

  prepare(centroids: Float32Array, k: number, dims: number): CentroidPanels {
    const { panel_floats, pack } = this.#exports;
    const length = panel_floats(k, dims);
    this.#evict();
    const from = this.#put(centroids, k * dims);
    const to = this.#reserve(length * 4);
    pack(from, k, dims, to);
    const packed = this.#floats.slice(to / 4, to / 4 + length);
    return { k, dims, centroids: centroids.slice(0, k * dims), packed, layout };
  }

  nearest(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    distances?: Float32Array,
  ): void {
    const { k, dims } = panels;
    const [centroids, packed] = this.#settle(panels);
    const scratch = this.#scratch(dims);
    const pointsAt = this.#reserve(blockRows * dims * 4);
    const labelsAt = this.#reserve(blockRows * 4);
    const distancesAt = distances === undefined ? nowhere : this.#reserve(blockRows * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(points, from * dims, rows * dims, pointsAt);
      const model = [centroids, k, packed, scratch] as const;
      this.#exports.nearest(pointsAt, rows, dims, ...model, labelsAt, distancesAt);
      this.#copyOut(labels, from, rows, labelsAt);
      if (distances !== undefined) this.#copyOut(distances, from, rows, distancesAt);
    }
  }

  nearestTwo(
    points: Float32Array,
    n: number,
    panels: CentroidPanels,
    labels: Int32Array,
    nearest: Float32Array,
    second: Float32Array,
  ): void {
    const { k, dims } = panels;
    const [centroids, packed] = this.#settle(panels);
    const scratch = this.#scratch(dims);
    const pointsAt = this.#reserve(blockRows * dims * 4);
    const labelsAt = this.#reserve(blockRows * 4);
    const nearestAt = this.#reserve(blockRows * 4);
    const secondAt = this.#reserve(blockRows * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(points, from * dims, rows * dims, pointsAt);
      const out = [labelsAt, nearestAt, secondAt] as const;
      this.#exports.nearest_two(pointsAt, rows, dims, centroids, k, packed, scratch, ...out);
      this.#copyOut(labels, from, rows, labelsAt);
      this.#copyOut(nearest, from, rows, nearestAt);
      this.#copyOut(second, from, rows, secondAt);
    }
  }

  accumulate: Kernels['accumulate'] = (values, weights, labels, n, basis, sums) => {
    const { k, dims, reference, inverseScale } = basis;
    this.#release();
    const referenceAt = this.#put(reference, k * dims);
    const inverseAt = inverseScale === undefined ? nowhere : this.#put(inverseScale, dims);
    const sumsAt = this.#put(sums.column, sums.column.length);
    const valuesAt = this.#reserve(blockRows * dims * 4);
    const labelsAt = this.#reserve(blockRows * 4);
    const weightsAt = weights === undefined ? nowhere : this.#reserve(blockRows * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(values, from * dims, rows * dims, valuesAt);
      this.#copyIn(labels, from, rows, labelsAt);
      if (weights !== undefined) this.#copyIn(weights, from, rows, weightsAt);
      const out = [referenceAt, inverseAt, sumsAt] as const;
      this.#exports.accumulate(valuesAt, weightsAt, labelsAt, rows, dims, k, ...out);
    }
    this.#copyOut(sums.column, 0, sums.column.length, sumsAt);
  };

  assignAccumulate: Kernels['assignAccumulate'] = (
    points,
    weights,
    n,
    panels,
    reference,
    labels,
    sums,
  ) => {
    const { k, dims } = panels;
    const [centroids, packed] = this.#settle(panels);
    const scratch = this.#scratch(dims);
    const referenceAt = this.#put(reference, k * dims);
    const sumsAt = this.#put(sums.column, sums.column.length);
    const pointsAt = this.#reserve(blockRows * dims * 4);
    const labelsAt = this.#reserve(blockRows * 4);
    const weightsAt = weights === undefined ? nowhere : this.#reserve(blockRows * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(points, from * dims, rows * dims, pointsAt);
      if (weights !== undefined) this.#copyIn(weights, from, rows, weightsAt);
      const model = [centroids, k, packed, scratch, referenceAt, labelsAt, sumsAt] as const;
      this.#exports.assign_accumulate(pointsAt, weightsAt, rows, dims, ...model);
      this.#copyOut(labels, from, rows, labelsAt);
    }
    this.#copyOut(sums.column, 0, sums.column.length, sumsAt);
  };

  pairwise: Kernels['pairwise'] = (points, n, others, m, dims, out) => {
    this.#release();
    const othersAt = this.#put(others, m * dims);
    const pointsAt = this.#reserve(dims * 4);
    const outAt = this.#reserve(m * 8);
    for (let row = 0; row < n; row++) {
      this.#copyIn(points, row * dims, dims, pointsAt);
      this.#exports.pairwise(pointsAt, 1, othersAt, m, dims, outAt);
      this.#copyOut(out, row * m, m, outAt);
    }
  };

  dots(points: Float32Array, n: number, panels: CentroidPanels, out: Float32Array): void {
    const { k, dims } = panels;
    const [, packed] = this.#settle(panels);
    const scratch = this.#scratch(dims);
    const pointsAt = this.#reserve(blockRows * dims * 4);
    const outAt = this.#reserve(blockRows * k * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(points, from * dims, rows * dims, pointsAt);
      this.#exports.dots(pointsAt, rows, dims, k, packed, scratch, outAt);
      this.#copyOut(out, from * k, rows * k, outAt);
    }
  }

  scalePoints: Kernels['scalePoints'] = (values, n, dims, { mean, scale }, limit, out) => {
    this.#release();
    const meanAt = this.#put(mean, dims);
    const scaleAt = this.#put(scale, dims);
    const valuesAt = this.#reserve(blockRows * dims * 4);
    const outAt = this.#reserve(blockRows * dims * 4);
    for (let from = 0; from < n; from += blockRows) {
      const rows = Math.min(blockRows, n - from);
      this.#copyIn(values, from * dims, rows * dims, valuesAt);
      this.#exports.scale_points(valuesAt, rows, dims, meanAt, scaleAt, limit, outAt);
      this.#copyOut(out, from * dims, rows * dims, outAt);
    }
  };

  /** Brings the panels into memory unless they are there. @returns where centroids and packed ones are */
  #settle(panels: CentroidPanels): readonly [centroids: number, packed: number] {
    assert(panels.layout === layout, 'centroids are packed for these kernels');
    const { centroids, packed } = panels;
    if (this.#resident !== panels) {
      this.#evict();
      this.#put(centroids, centroids.length);
      this.#put(packed, packed.length);
      this.#resident = panels;
      this.#residentEnd = this.#top;
    }
    this.#release();
    return [this.#heapBase, aligned(this.#heapBase + centroids.byteLength)];
  }

  #evict(): void {
    this.#resident = undefined;
    this.#residentEnd = this.#heapBase;
    this.#release();
  }

  /** Frees all but the resident panels. */
  #release(): void {
    this.#top = this.#residentEnd;
  }

  #scratch(dims: number): number {
    return this.#reserve(this.#exports.scratch_floats(dims) * 4);
  }

  #reserve(bytes: number): number {
    const at = this.#top;
    this.#top = aligned(at + bytes);
    const { memory } = this.#exports;
    const missing = this.#top - memory.buffer.byteLength;
    if (missing > 0) {
      memory.grow(Math.ceil(missing / pageBytes));
      this.#floats = new Float32Array(memory.buffer);
      this.#doubles = new Float64Array(memory.buffer);
      this.#integers = new Int32Array(memory.buffer);
    }
    return at;
  }

  #put(column: Column, length: number): number {
    const at = this.#reserve(length * column.BYTES_PER_ELEMENT);
    this.#copyIn(column, 0, length, at);
    return at;
  }

  #copyIn(column: Column, from: number, length: number, at: number): void {
    assert(from + length <= column.length, 'a column has all its rows');
    const rows = column.subarray(from, from + length);
    this.#viewFor(column).set(rows, at / column.BYTES_PER_ELEMENT);
  }

  #copyOut(column: Column, from: number, length: number, at: number): void {
    const start = at / column.BYTES_PER_ELEMENT;
    column.set(this.#viewFor(column).subarray(start, start + length), from);
  }

  #viewFor(column: Column): Column {
    if (column instanceof Float32Array) return this.#floats;
    return column instanceof Float64Array ? this.#doubles : this.#integers;
  }
}

function aligned(address: number): number {
  return (address + 63) & ~63;
}
