// Where two messages differ: by field, cluster and coordinate, numbers by their bits.

export interface Difference {
  /** "centroids of c3, coordinate 2" */
  readonly where: string;
  readonly recorded: string;
  readonly recomputed: string;
}

export interface Shape {
  readonly dims: number;
  /** Names of the rows of arrays that have one for each cluster, or each touched cluster. */
  readonly rows: readonly string[];
  /** Fields whose entries are features, not clusters. */
  readonly byFeature: readonly string[];
}

/** The first difference of each field of `recomputed`. */
export function differences(recorded: object, recomputed: object, shape: Shape): Difference[] {
  const fields = recorded as Record<string, unknown>;
  return Object.entries(recomputed).flatMap(([field, value]) => {
    const found = differenceOf(field, fields[field], value, shape);
    return found === undefined ? [] : [found];
  });
}

function differenceOf(
  field: string,
  recorded: unknown,
  recomputed: unknown,
  shape: Shape,
): Difference | undefined {
  if (isNumbers(recorded) && isNumbers(recomputed)) {
    return firstNumber(field, recorded, recomputed, shape);
  }
  if (sameValue(recorded, recomputed)) return undefined;
  return { where: field, recorded: brief(recorded), recomputed: brief(recomputed) };
}

type Numbers = Float64Array | Float32Array | Int32Array;

function isNumbers(value: unknown): value is Numbers {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function firstNumber(field: string, a: Numbers, b: Numbers, shape: Shape): Difference | undefined {
  if (a.length !== b.length) {
    return { where: field, recorded: `${a.length} numbers`, recomputed: `${b.length} numbers` };
  }
  for (let i = 0; i < a.length; i += 1) {
    if (Object.is(a[i], b[i])) continue;
    const where = placeOf(field, i, a.length, shape);
    return { where, recorded: String(a[i]), recomputed: String(b[i]) };
  }
  return undefined;
}

function placeOf(field: string, index: number, length: number, shape: Shape): string {
  const { rows, byFeature } = shape;
  if (byFeature.includes(field)) return `${field}, feature ${index}`;
  if (rows.length === 0 || length % rows.length !== 0) return `${field}, number ${index}`;
  const width = length / rows.length;
  const row = `${field} of ${rows[Math.floor(index / width)]}`;
  if (width === 1) return row;
  return `${row}, ${width === shape.dims ? 'coordinate' : 'number'} ${index % width}`;
}

/** Objects by their fields, whatever their classes and the order. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return Object.is(a, b);
  }
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = new Set([...Object.keys(x), ...Object.keys(y)]);
  return [...keys].every((key) => sameValue(x[key], y[key]));
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 120);
}
