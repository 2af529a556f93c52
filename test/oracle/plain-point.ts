// A point the obvious way: JSON.parse and a few rules. Undefined when the record is no point of the model.

import type { Model, RecordHeader } from '../../schemas/index.ts';

export interface RecordedPoint {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

export interface PlainPoint {
  readonly values: Float32Array;
  readonly weight: number;
  readonly timestampMs: number;
}

export function plainPoint(
  { value, headers, timestamp }: RecordedPoint,
  model: Pick<Model, 'dims' | 'features' | 'metric' | 'missing'>,
  format: 'json' | 'float32',
): PlainPoint | undefined {
  if (value === null) return undefined;
  const header = headers.findLast(({ key }) => key.toLowerCase() === 'content-type');
  const type = header && Buffer.from(header.value ?? []).toString();
  const isFloat32 = type === undefined ? format === 'float32' : type.includes('float32');
  const fields = isFloat32 ? { vector: float32s(value) } : parse(value);
  const given = vectorOf(fields, model.features);
  const vector = model.missing === 'reject' ? given : given?.map(orMissing);
  if (vector?.length !== model.dims) return undefined;
  const there = vector.filter((value) => !isMissing(value, model));
  if (there.length === 0 || !there.every(isFloat32Number)) return undefined;
  if (model.metric === 'cosine' && there.every((value) => Math.fround(Number(value)) === 0)) {
    return undefined;
  }
  const weight = fields?.weight ?? 1;
  const timestampMs = fields?.timestamp ?? timestamp;
  if (!isFloat32Number(weight) || Number(weight) < 0) return undefined;
  if (!Number.isInteger(timestampMs)) return undefined;
  return {
    values: Float32Array.from(vector as number[]),
    weight: Math.fround(Number(weight)),
    timestampMs: Number(timestampMs),
  };
}

function parse(value: Uint8Array): Record<string, unknown> | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
    const parsed = JSON.parse(text) as unknown;
    if (Array.isArray(parsed)) return { vector: parsed };
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function vectorOf(
  fields: Record<string, unknown> | undefined,
  features: readonly string[],
): readonly unknown[] | undefined {
  if (fields === undefined) return undefined;
  if (Array.isArray(fields.vector)) return fields.vector;
  const named = (fields.features ?? fields) as Record<string, unknown>;
  return features.length > 0 ? features.map((name) => named[name]) : undefined;
}

function float32s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** JSON says null, and an absent feature is undefined. */
function orMissing(value: unknown): unknown {
  return value === null || value === undefined ? Number.NaN : value;
}

function isMissing(value: unknown, { missing }: Pick<Model, 'missing'>): boolean {
  return missing !== 'reject' && Number.isNaN(value);
}

function isFloat32Number(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(Math.fround(value));
}
