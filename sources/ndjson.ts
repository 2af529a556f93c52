// NDJSON lines to points. A line is an array of numbers, a point as POST takes it ({"vector":[…]} or {"features":{…}} with
// optional key, weight and timestamp), or a flat object of named features.

import { BadLineError, type LineReader, type PointLine } from './source.ts';

export interface NdjsonOptions {
  /** The field whose value is the record's key. */
  readonly keyColumn?: string;
  readonly ignoreColumns: readonly string[];
}

type JsonObject = Record<string, unknown>;

export function ndjsonReader({ keyColumn = 'key', ignoreColumns }: NdjsonOptions): LineReader {
  const ignored = new Set([keyColumn, ...ignoreColumns]);
  return {
    features: [],
    read(text: string): PointLine | undefined {
      if (text.trim() === '') return undefined;
      const parsed = parse(text);
      if (Array.isArray(parsed)) return { key: undefined, value: vectorJson(parsed) };
      const key = keyText(parsed[keyColumn], keyColumn);
      return { key, value: objectJson(parsed, ignored) };
    },
  };
}

function parse(text: string): unknown[] | JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new BadLineError(`is no JSON: ${(error as Error).message}`);
  }
  if (parsed === null || typeof parsed !== 'object') {
    throw new BadLineError('is neither an array nor an object');
  }
  return parsed as unknown[] | JsonObject;
}

function vectorJson(vector: readonly unknown[]): string {
  for (const [at, value] of vector.entries()) requireNumber(value, `component ${at + 1}`);
  return JSON.stringify({ vector });
}

function objectJson(point: JsonObject, ignored: ReadonlySet<string>): string {
  const kept = Object.entries(point).filter(([name]) => !ignored.has(name));
  const isPoint = kept.some(([name]) => name === 'vector' || name === 'features');
  if (!isPoint) for (const [name, value] of kept) requireNumber(value, `field "${name}"`);
  const rest: JsonObject = Object.fromEntries(kept);
  return JSON.stringify(isPoint ? rest : { features: rest });
}

function requireNumber(value: unknown, what: string): void {
  if (typeof value === 'number' && Number.isFinite(value)) return;
  const shown = JSON.stringify(value).slice(0, 40);
  throw new BadLineError(`has ${shown} as ${what}, which is no finite number`);
}

function keyText(value: unknown, column: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new BadLineError(`has a key in field "${column}" that is neither text nor a number`);
}
