// The kinds a setting can have. Each knows what it accepts, from YAML as well as from text, and how to say so.

/** What a changed value needs: nothing, a restart, or a reset of the application's topics and state. */
export type ChangeEffect = 'live' | 'restart' | 'reset';

interface Described<Value> {
  readonly default: Value;
  readonly change: ChangeEffect;
  /** One sentence for the reference page. */
  readonly says: string;
}

export interface Setting<Value> extends Described<Value> {
  readonly type: 'integer' | 'boolean' | 'text' | 'choice' | 'list' | 'milliseconds';
  /** Completes the sentence "must be …". */
  readonly allowed: string;
  /** Never printed, never taken from a flag; may come from a file named by `…_FILE`. */
  readonly secret: boolean;
  readonly jsonSchema: Readonly<Record<string, unknown>>;
  /** @returns undefined when the value is not allowed. */
  parse(raw: unknown): Value | undefined;
}

interface Range {
  readonly min: number;
  readonly max?: number;
}

export function integer(options: Described<number> & Range): Setting<number> {
  return wholeNumber('integer', '', options);
}

/** A duration. Kafka's way: a whole number of milliseconds, and a key that ends in ".ms". */
export function milliseconds(options: Described<number> & Range): Setting<number> {
  return wholeNumber('milliseconds', ' of milliseconds', options);
}

export function boolean(options: Described<boolean>): Setting<boolean> {
  return {
    ...options,
    type: 'boolean',
    allowed: 'true or false',
    secret: false,
    jsonSchema: { type: 'boolean' },
    parse: (raw) => {
      if (raw === true || raw === 'true') return true;
      return raw === false || raw === 'false' ? false : undefined;
    },
  };
}

interface TextOptions extends Described<string> {
  readonly secret?: boolean;
  readonly pattern?: RegExp;
  readonly allowed?: string;
}

export function text({ pattern, ...options }: TextOptions): Setting<string> {
  return {
    secret: false,
    allowed: 'text',
    ...options,
    type: 'text',
    jsonSchema: { type: 'string', ...(pattern && { pattern: pattern.source }) },
    parse: (raw) => {
      const value = typeof raw === 'number' ? String(raw) : raw;
      if (typeof value !== 'string') return undefined;
      return pattern === undefined || pattern.test(value) ? value : undefined;
    },
  };
}

export function choice<const Value extends string>(
  values: readonly Value[],
  options: Described<NoInfer<Value>>,
): Setting<Value> {
  return {
    ...options,
    type: 'choice',
    allowed: values.length === 1 ? values[0]! : `one of ${values.join(', ')}`,
    secret: false,
    jsonSchema: { enum: values },
    parse: (raw) => values.find((value) => value === raw),
  };
}

/** A YAML list, or text with commas between. */
export function list(options: Described<readonly string[]>): Setting<readonly string[]> {
  return {
    ...options,
    type: 'list',
    allowed: 'a list of names, or text with commas between',
    secret: false,
    jsonSchema: { type: ['array', 'string'], items: { type: 'string' } },
    parse: (raw) => {
      const items = typeof raw === 'string' ? raw.split(',') : raw;
      if (!Array.isArray(items)) return undefined;
      const names = items.map((item) => String(item).trim()).filter((item) => item !== '');
      return items.every((item) => typeof item === 'string' || typeof item === 'number')
        ? names
        : undefined;
    },
  };
}

function wholeNumber(
  type: 'integer' | 'milliseconds',
  unit: string,
  options: Described<number> & Range,
): Setting<number> {
  const { min, max = Number.MAX_SAFE_INTEGER, ...described } = options;
  return {
    ...described,
    type,
    allowed: `a whole number${unit} ${rangeText(options)}`,
    secret: false,
    jsonSchema: {
      type: 'integer',
      minimum: min,
      ...(options.max !== undefined && { maximum: max }),
    },
    parse: (raw) => {
      const value = inRange(toNumber(raw, /^-?\d+$/), min, max);
      return Number.isSafeInteger(value) ? value : undefined;
    },
  };
}

function toNumber(raw: unknown, pattern: RegExp): number | undefined {
  if (typeof raw === 'number') return raw;
  return typeof raw === 'string' && pattern.test(raw.trim()) ? Number(raw) : undefined;
}

function inRange(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function rangeText({ min, max }: Range): string {
  return max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
}
