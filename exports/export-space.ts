// What every export has in common: the centroids in the model's space as the kernels see them, and names for features.

import type { Model } from '../schemas/index.ts';
import { InvalidSettingError } from '../support/index.ts';

/** @throws InvalidSettingError for a model whose answers a graph of plain Euclidean distances would not give. */
export function checkExportable({ version, metric, missing }: Model, format: string): void {
  if (metric === 'euclidean' && missing === 'reject') return;
  throw new InvalidSettingError(
    `Version ${version} has model.metric ${metric} and model.missing ${missing}; as ${format} only euclidean models that reject ` +
      'missing values can be written. Export it as safetensors.',
  );
}

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
    missing: model.missing,
    seed: String(model.seed),
    codeVersion: model.codeVersion,
    offsets: JSON.stringify(model.offsets),
  };
}
