// The standard scaler: a diagonal metric, fitted once per generation. Mean and variance by Welford's recurrence, weighted
// (D. H. D. West, 1979), so a large mean does not cancel the variance away. A feature that never varies gets scale 1.

export interface Scaler {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
}

/** Scaled values beyond this are clamped, so that no squared distance overflows float32. */
export const scaledMax = 1e15;

export function fitScaler(
  values: Float32Array | Float64Array,
  n: number,
  dims: number,
  weights?: Float32Array,
): Scaler {
  const mean = new Float64Array(dims);
  const squares = new Float64Array(dims);
  let total = 0;
  for (let row = 0; row < n; row++) {
    const weight = weights === undefined ? 1 : weights[row]!;
    if (weight === 0) continue;
    total += weight;
    const share = weight / total;
    for (let d = 0; d < dims; d++) {
      const value = values[row * dims + d]!;
      const before = value - mean[d]!;
      mean[d]! += share * before;
      squares[d]! += weight * before * (value - mean[d]!);
    }
  }
  const scale = new Float64Array(dims);
  for (let d = 0; d < dims; d++) scale[d] = deviation(squares[d]! / total, mean[d]!);
  return { mean, scale };
}

/** Rounding of the mean alone must not pass for variance: below 1e-14 of the mean a feature counts as constant. */
export function deviation(variance: number, mean: number): number {
  const sd = Math.sqrt(variance);
  return sd > 1e-14 * Math.abs(mean) && sd > Number.MIN_VALUE ? sd : 1;
}

/** The scaler that changes nothing. */
export function identityScaler(dims: number): Scaler {
  return { mean: new Float64Array(dims), scale: new Float64Array(dims).fill(1) };
}

/** Writes (value − mean) / scale into `out`, n × dims. */
export function scalePoints(
  values: Float32Array | Float64Array,
  n: number,
  dims: number,
  mean: Float64Array,
  scale: Float64Array,
  out: Float32Array,
): void {
  for (let row = 0, i = 0; row < n; row++) {
    for (let d = 0; d < dims; d++, i++) {
      const scaled = (values[i]! - mean[d]!) / scale[d]!;
      out[i] = scaled > scaledMax ? scaledMax : Math.max(scaled, -scaledMax);
    }
  }
}

/** The way back: scaled centroids in input units. */
export function unscalePoints(
  scaled: Float64Array,
  n: number,
  dims: number,
  { mean, scale }: Scaler,
): Float64Array {
  const values = new Float64Array(n * dims);
  for (let row = 0, i = 0; row < n; row++) {
    for (let d = 0; d < dims; d++, i++) values[i] = scaled[i]! * scale[d]! + mean[d]!;
  }
  return values;
}
