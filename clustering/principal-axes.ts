// The principal axes of points: eigenvectors of their covariance, by cyclic Jacobi rotations (C. Jacobi, 1846). Exact enough
// and short; O(dims³) a sweep, and a handful of sweeps, so for up to a few hundred dimensions.

export interface PrincipalAxes {
  readonly mean: Float64Array;
  /** dims × dims, one axis per row, orthonormal; falling variance is not promised. */
  readonly axes: Float64Array;
}

const sweepsMax = 30;

export function principalAxes(
  values: Float32Array,
  n: number,
  dims: number,
  weights?: Float32Array,
): PrincipalAxes {
  const { mean, covariance } = covarianceOf(values, n, dims, weights);
  return { mean, axes: eigenvectors(covariance, dims) };
}

function covarianceOf(values: Float32Array, n: number, dims: number, weights?: Float32Array) {
  const mean = new Float64Array(dims);
  const covariance = new Float64Array(dims * dims);
  const deviation = new Float64Array(dims);
  let total = 0;
  for (let row = 0; row < n; row++) {
    const weight = weights === undefined ? 1 : weights[row]!;
    if (!(weight > 0)) continue;
    total += weight;
    const share = weight / total;
    for (let d = 0; d < dims; d++) {
      deviation[d] = values[row * dims + d]! - mean[d]!;
      mean[d]! += share * deviation[d]!;
    }
    const factor = weight * (1 - share);
    for (let a = 0; a < dims; a++) {
      for (let b = a; b < dims; b++) {
        covariance[a * dims + b]! += factor * deviation[a]! * deviation[b]!;
      }
    }
  }
  for (let a = 0; a < dims; a++) {
    for (let b = a; b < dims; b++) {
      covariance[a * dims + b]! /= total;
      covariance[b * dims + a] = covariance[a * dims + b]!;
    }
  }
  return { mean, covariance };
}

/** Of a symmetric matrix, which is destroyed; one per row. */
export function eigenvectors(matrix: Float64Array, dims: number): Float64Array {
  const axes = new Float64Array(dims * dims);
  for (let d = 0; d < dims; d++) axes[d * dims + d] = 1;
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    if (offDiagonalShare(matrix, dims) < 1e-20) break;
    for (let p = 0; p < dims; p++) {
      for (let q = p + 1; q < dims; q++) rotate(matrix, axes, dims, p, q);
    }
  }
  return axes;
}

function offDiagonalShare(matrix: Float64Array, dims: number): number {
  let all = 0;
  let off = 0;
  for (let i = 0; i < matrix.length; i++) {
    const square = matrix[i]! ** 2;
    all += square;
    if (i % (dims + 1) !== 0) off += square;
  }
  return all > 0 ? off / all : 0;
}

/** Makes the element (p, q) 0. */
function rotate(
  matrix: Float64Array,
  axes: Float64Array,
  dims: number,
  p: number,
  q: number,
): void {
  const apq = matrix[p * dims + q]!;
  if (apq === 0) return;
  const theta = (matrix[q * dims + q]! - matrix[p * dims + p]!) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cos = 1 / Math.sqrt(t * t + 1);
  const sin = t * cos;
  for (let i = 0; i < dims; i++) turn(matrix, i * dims + p, i * dims + q, cos, sin);
  for (let i = 0; i < dims; i++) turn(matrix, p * dims + i, q * dims + i, cos, sin);
  for (let i = 0; i < dims; i++) turn(axes, p * dims + i, q * dims + i, cos, sin);
}

function turn(numbers: Float64Array, a: number, b: number, cos: number, sin: number): void {
  const x = numbers[a]!;
  const y = numbers[b]!;
  numbers[a] = cos * x - sin * y;
  numbers[b] = sin * x + cos * y;
}
