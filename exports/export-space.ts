// What every export has in common: the centroids in the model's space as the kernels see them, and names for features.

import type { Model } from '../schemas/index.ts';

/** k × dims: (centroid − mean) / scale, rounded to float32 as the kernels round. */
export function scaledCentroids({ centroids, dims, mean, scale }: Model): Float32Array {
  return Float32Array.from(centroids, (value, i) => (value - mean[i % dims]!) / scale[i % dims]!);
}

/** The model's names, or x1, x2, … */
export function featureNames({ features, dims }: Model): string[] {
  if (features.length > 0) return [...features];
  return Array.from({ length: dims }, (_, d) => `x${d + 1}`);
}

/** What an export says of where it comes from, as text by name. */
export function provenance(model: Model): Record<string, string> {
  return {
    version: model.version,
    parent: model.parent ?? '',
    createdAt: new Date(model.createdAtMs).toISOString(),
    origin: model.origin,
    metric: model.metric,
    seed: String(model.seed),
    codeVersion: model.codeVersion,
    offsets: JSON.stringify(model.offsets),
  };
}
