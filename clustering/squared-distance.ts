// The squared distance of two rows as every kernel computes it, before its rounding to float32: feature d in lane d mod 4,
// lanes added up as (0 + 1) + (2 + 3), so comparing two of them decides as the kernels do.

export function squaredDistance(
  a: Float32Array,
  aBase: number,
  b: Float32Array,
  bBase: number,
  dims: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = dims - (dims % 4);
  for (let d = 0; d < whole; d += 4) {
    const d0 = a[aBase + d]! - b[bBase + d]!;
    const d1 = a[aBase + d + 1]! - b[bBase + d + 1]!;
    const d2 = a[aBase + d + 2]! - b[bBase + d + 2]!;
    const d3 = a[aBase + d + 3]! - b[bBase + d + 3]!;
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  if (whole < dims) s0 += (a[aBase + whole]! - b[bBase + whole]!) ** 2;
  if (whole + 1 < dims) s1 += (a[aBase + whole + 1]! - b[bBase + whole + 1]!) ** 2;
  if (whole + 2 < dims) s2 += (a[aBase + whole + 2]! - b[bBase + whole + 2]!) ** 2;
  return s0 + s1 + (s2 + s3);
}
