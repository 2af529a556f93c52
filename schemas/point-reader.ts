// One point in JSON, read from bytes straight into a row of float32. Three forms:
//
//   {"vector":[1,2],"weight":1,"timestamp":1700000000000,"key":"a"}      all but the vector optional, null is absent
//   {"features":{"height":1.8,"age":30}}                                 by name; also without the wrapper when the
//                                                                        model has names
//   [1,2]
//
// The first fault in byte order decides: a point is taken whole or not at all. Where the shape allows that values are missing,
// null, a float32 NaN and an absent named feature are read as NaN; everything else that is no number stays a fault.

import { JsonCursor } from './json-cursor.ts';
import type { Metric, MissingPolicy } from './model.ts';
import { excerpt, pointFault } from './point-faults.ts';

/** What points must look like. */
export interface PointShape {
  /** 0: not known yet, the next valid point fixes it. */
  readonly dims: number;
  /** Names in vector order; empty when points are plain vectors. */
  readonly features: readonly string[];
  /** Default: Euclidean. With cosine a point needs a direction. */
  readonly metric?: Metric | undefined;
  /** Default: reject. */
  readonly missing?: MissingPolicy | undefined;
}

export const pointDimsMax = 4096;
const nestingMax = 32;
/** 9999-12-31T23:59:59.999Z */
const timestampMsMax = 253_402_300_799_999;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const colon = 0x3a;
const quote = 0x22;
const minus = 0x2d;
const capitalI = 0x49;

const vectorName = Buffer.from('"vector"');
const nanToken = Buffer.from('NaN');
const infinityTokens = [Buffer.from('Infinity'), Buffer.from('-Infinity')];
const nullToken = Buffer.from('null');
const byteOrderMark = Buffer.of(0xef, 0xbb, 0xbf);

export class PointReader {
  readonly cursor = new JsonCursor();
  /** Of the point read last; the shape it has, when none was known. */
  weight = 1;
  timestampMs: number | null = null;
  key: string | null = null;
  shape: PointShape = { dims: 0, features: [] };
  #known: PointShape = this.shape;
  #places = new Map<string, number>();
  #names: Uint8Array[] = [];
  #allowsMissing = false;
  #seen = new Uint8Array(0);
  #out: Float32Array = new Float32Array(0);
  /** Where the values of the object stand. */
  #valuesPointer = '';
  #base = 0;

  /** @param shape of the points that follow. */
  expect(shape: PointShape): void {
    if (shape === this.#known) return;
    this.#known = shape;
    this.#allowsMissing = (shape.missing ?? 'reject') !== 'reject';
    this.#places = new Map(shape.features.map((name, place) => [name, place]));
    this.#names = shape.features.map((name) => Buffer.from(JSON.stringify(name)));
    this.#seen = new Uint8Array(shape.features.length);
  }

  /** Rows of `out` that a point may write before it is known to fit. */
  get width(): number {
    return this.#known.dims || pointDimsMax;
  }

  /**
   * Reads the one point in bytes[start, end) into out[base …). `out` has room for `width` numbers there.
   * @throws InvalidRecordError with a code of point-faults.ts
   */
  read(bytes: Uint8Array, start: number, end: number, out: Float32Array, base: number): void {
    this.cursor.reset(bytes, start, end);
    if (this.cursor.takes(byteOrderMark)) {
      throw pointFault('byte_order_mark', 'The JSON begins with a byte order mark; leave it out.');
    }
    this.readHere(out, base);
    if (this.cursor.peek() >= 0) {
      this.cursor.fail('something after the point; send one point per record, found it');
    }
  }

  /** The same for a point of raw little-endian float32 values. */
  readFloat32(
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Float32Array,
    base: number,
  ): void {
    this.weight = 1;
    this.timestampMs = null;
    this.key = null;
    const length = end - start;
    if (length % 4 !== 0) {
      throw pointFault(
        'partial_float32',
        `The value has ${length} bytes, no multiple of 4; send little-endian float32 values.`,
      );
    }
    this.shape = this.#shapeOf(length / 4, '');
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
    for (let i = 0; i < length / 4; i++) {
      const value = view.getFloat32(i * 4, true);
      if (value - value !== 0 && !(this.#allowsMissing && Number.isNaN(value))) {
        const found = Number.isNaN(value) ? 'NaN' : 'infinite';
        const remedy = `send a finite number${Number.isNaN(value) ? orPolicy : ''}`;
        throw pointFault('not_finite', `${nameOf(i)} is ${found}; ${remedy}.`, pointerTo('', i));
      }
      out[base + i] = value;
    }
    this.#checkValues(out, base, '');
  }

  /** Reads the point the cursor stands at, and leaves the cursor behind it. */
  readHere(out: Float32Array, base: number): void {
    this.#out = out;
    this.#base = base;
    this.weight = 1;
    this.timestampMs = null;
    this.key = null;
    this.shape = this.#known;
    const byte = this.cursor.peek();
    if (byte === openBracket) this.#vector('');
    else if (byte === openBrace) this.#object();
    else this.#notAPoint(byte);
    this.#checkValues(out, base, byte === openBrace ? this.#valuesPointer : '');
  }

  /** What the metric and the policy need of the values as a whole. */
  #checkValues(out: Float32Array, base: number, pointer: string): void {
    const isCosine = this.#known.metric === 'cosine';
    if (!isCosine && !this.#allowsMissing) return;
    const { dims } = this.shape;
    let absent = 0;
    for (let i = base; i < base + dims; i++) {
      const value = out[i]!;
      if (Number.isNaN(value)) absent += 1;
      else if (!isCosine || value !== 0) return;
    }
    if (absent === dims) {
      const remedy = 'send at least one number, or leave the point out';
      throw pointFault('all_missing', `The point has no values, only gaps; ${remedy}.`, pointer);
    }
    const found = absent === 0 ? 'All values' : 'All values that are there';
    const remedy = 'leave the point out, or set model.metric to euclidean';
    const where = pointer === '' ? 'vector' : pointer.slice(1);
    throw pointFault(
      'zero_vector',
      `${found} of "${where}" are 0, so it has no direction; ${remedy}.`,
      pointer,
    );
  }

  #object(): void {
    const { cursor } = this;
    let taken = 0;
    let bare = 0;
    this.#valuesPointer = '';
    for (let more = this.#opens(closeBrace); more; more = this.#continues(closeBrace)) {
      const place = this.#bareFeature(bare);
      if (place < 0) {
        taken = this.#field(taken);
        continue;
      }
      cursor.expect(colon, 'a ":"');
      this.#featureNumber(place, '', bare === 0);
      bare += 1;
    }
    if (bare === 0 && (taken & 3) === 0) this.#missingVector();
    if ((taken & 3) === 3 || (bare > 0 && (taken & 3) !== 0)) {
      throw pointFault(
        'ambiguous_point',
        'The point has both a vector and features; send one of them.',
      );
    }
    if (bare > 0) this.#requireAll(bare, '');
  }

  /** @param taken bit i: fields[i] was there. @returns it with the field at the cursor */
  #field(taken: number): number {
    const { cursor } = this;
    const name = cursor.takes(vectorName) ? 'vector' : this.#name();
    cursor.expect(colon, 'a ":"');
    const field = fields.indexOf(name as Field);
    if (field < 0) this.#unknownField(name);
    if ((taken & (1 << field)) !== 0) this.#duplicate(name, '');
    if (name === 'vector') this.#expectVector();
    else if (name === 'features') this.#features();
    else if (this.#takesNull()) return taken | (1 << field);
    else if (name === 'weight') this.#readWeight();
    else if (name === 'timestamp') this.#readTimestamp();
    else this.#readKey();
    return taken | (1 << field);
  }

  #expectVector(): void {
    this.#valuesPointer = '/vector';
    const byte = this.cursor.peek();
    if (byte === openBracket) {
      this.#vector('/vector');
      return;
    }
    if (byte < 0) this.cursor.fail('a value expected');
    throw pointFault(
      'not_a_vector',
      `"vector" is ${this.#kindOf(byte)}; send an array of numbers.`,
      '/vector',
    );
  }

  #vector(pointer: string): void {
    const { width } = this;
    let count = 0;
    for (let more = this.#opens(closeBracket); more; more = this.#continues(closeBracket)) {
      const value = this.#number(pointer, count);
      if (count < width) this.#out[this.#base + count] = value;
      count += 1;
    }
    if (count === 0) {
      throw pointFault('empty_vector', 'The vector is empty; send at least one number.', pointer);
    }
    this.shape = this.#shapeOf(count, pointer);
  }

  /** The shape of a vector of so many numbers. @throws when the model has another */
  #shapeOf(count: number, pointer: string): PointShape {
    const { dims } = this.#known;
    if (dims > 0 && count !== dims) {
      throw pointFault(
        'wrong_length',
        `The vector has ${numbers(count)}, expected ${dims}; send ${numbers(dims)} per point.`,
        pointer,
      );
    }
    if (count > pointDimsMax) {
      throw pointFault(
        'too_many_dimensions',
        `The vector has ${numbers(count)} but ${pointDimsMax} is the most; send fewer per point.`,
        pointer,
      );
    }
    return dims === 0 ? { ...this.#known, dims: count, features: [] } : this.#known;
  }

  #features(): void {
    this.#valuesPointer = '/features';
    const { cursor } = this;
    const byte = cursor.peek();
    if (byte < 0) cursor.fail('a value expected');
    if (byte !== openBrace) {
      throw pointFault(
        'not_features',
        `"features" is ${this.#kindOf(byte)}; send an object of named numbers.`,
        '/features',
      );
    }
    if (this.#known.features.length > 0) this.#knownFeatures();
    else if (this.#known.dims === 0) this.#newFeatures();
    else {
      throw pointFault(
        'unnamed_features',
        `The model knows its features by position only; send {"vector":[…]} with ${numbers(this.#known.dims)}, or set model.features.`,
        '/features',
      );
    }
  }

  #knownFeatures(): void {
    const { cursor } = this;
    let count = 0;
    for (let more = this.#opens(closeBrace); more; more = this.#continues(closeBrace)) {
      const inTurn = count < this.#names.length && cursor.takes(this.#names[count]!);
      const name = inTurn ? this.#known.features[count]! : this.#name();
      cursor.expect(colon, 'a ":"');
      const place = inTurn ? count : this.#places.get(name);
      if (place === undefined) this.#unknownFeature(name);
      this.#featureNumber(place, '/features', count === 0);
      count += 1;
    }
    this.#requireAll(count, '/features');
  }

  /** The first features of a stream give the names, in their order. */
  #newFeatures(): void {
    const { cursor } = this;
    const features = new Set<string>();
    for (let more = this.#opens(closeBrace); more; more = this.#continues(closeBrace)) {
      const name = this.#name();
      cursor.expect(colon, 'a ":"');
      if (features.has(name)) this.#duplicate(name, '/features');
      const value = this.#number('/features', name);
      if (features.size === pointDimsMax) {
        throw pointFault(
          'too_many_dimensions',
          `The point has more than ${pointDimsMax} features; send fewer.`,
          '/features',
        );
      }
      this.#out[this.#base + features.size] = value;
      features.add(name);
    }
    if (features.size === 0) {
      throw pointFault(
        'empty_vector',
        'The point has no features; send at least one.',
        '/features',
      );
    }
    this.shape = { ...this.#known, dims: features.size, features: [...features] };
  }

  /** The place of a feature named at the top level of the point, or −1 when the next name is none. */
  #bareFeature(count: number): number {
    const { cursor } = this;
    if (count < this.#names.length && !reserved.has(this.#known.features[count]!)) {
      if (cursor.takes(this.#names[count]!)) return count;
    }
    if (this.#names.length === 0 || cursor.peek() !== quote) return -1;
    const { at } = cursor;
    const name = cursor.text();
    const place = reserved.has(name) ? undefined : this.#places.get(name);
    if (place === undefined) cursor.at = at;
    return place ?? -1;
  }

  #featureNumber(place: number, parent: string, first: boolean): void {
    const name = this.#known.features[place]!;
    if (first) this.#seen.fill(0);
    if (this.#seen[place] === 1) this.#duplicate(name, parent);
    this.#seen[place] = 1;
    this.#out[this.#base + place] = this.#number(parent, name);
  }

  #requireAll(count: number, pointer: string): void {
    const { features } = this.#known;
    if (count === features.length) return;
    if (this.#allowsMissing) {
      for (let place = 0; place < features.length; place++) {
        if (count === 0 || this.#seen[place] === 0) this.#out[this.#base + place] = Number.NaN;
      }
      return;
    }
    const missing = features[count === 0 ? 0 : this.#seen.indexOf(0)]!;
    throw pointFault(
      'missing_feature',
      `The feature ${excerpt(missing)} is missing; send all ${features.length} features of the model${orPolicy}.`,
      pointer,
    );
  }

  /** @param place index in the vector, or name of the feature. */
  #number(parent: string, place: number | string): number {
    if (!this.#numberFollows(this.cursor.peek())) {
      if (this.#allowsMissing && this.cursor.takes(nullToken)) return Number.NaN;
      this.#noNumber(parent, place);
    }
    const value = this.cursor.float32();
    if (value - value === 0) return value;
    throw pointFault(
      'float32_overflow',
      `${nameOf(place)} is too large for float32; the most is ±3.4e38.`,
      pointerTo(parent, place),
    );
  }

  #noNumber(parent: string, place: number | string): never {
    const [what, pointer] = [nameOf(place), pointerTo(parent, place)];
    const byte = this.cursor.peek();
    const kind = this.#kindOf(byte);
    if (kind === 'NaN' || kind === 'infinite') {
      const remedy = this.#allowsMissing ? 'a finite number, or null for none' : 'a finite number';
      throw pointFault('not_finite', `${what} is ${kind}; send ${remedy}.`, pointer);
    }
    if ((byte === openBracket || byte === openBrace) && this.#nestsTooDeep()) {
      const remedy = 'send a flat array of numbers';
      const found = `nested more than ${nestingMax} deep`;
      throw pointFault('too_deep', `${what} is ${found}; ${remedy}.`, pointer);
    }
    const remedy = kind === 'null' ? `a finite number${orPolicy}` : 'a finite number';
    throw pointFault('not_a_number', `${what} is ${kind}; send ${remedy}.`, pointer);
  }

  #nestsTooDeep(): boolean {
    const { bytes, at, end } = this.cursor;
    let depth = 0;
    for (let i = at; i < end && depth <= nestingMax; i++) {
      if (bytes[i] === openBracket || bytes[i] === openBrace) depth += 1;
      else if (bytes[i] === closeBracket || bytes[i] === closeBrace) return false;
    }
    return depth > nestingMax;
  }

  #readWeight(): void {
    const byte = this.cursor.peek();
    const isNumber = this.#numberFollows(byte);
    const value = isNumber ? this.cursor.float32() : Number.NaN;
    if (value >= 0 && value < Infinity) {
      this.weight = value;
      return;
    }
    const sign = value < 0 ? 'negative' : 'too large for float32';
    throw pointFault(
      'bad_weight',
      `"weight" is ${isNumber ? sign : this.#kindOf(byte)}; send a finite number of at least 0, or leave it out.`,
      '/weight',
    );
  }

  #readTimestamp(): void {
    const byte = this.cursor.peek();
    const isNumber = this.#numberFollows(byte);
    const value = isNumber ? this.cursor.number() : Number.NaN;
    if (Number.isInteger(value) && value >= 0 && value <= timestampMsMax) {
      this.timestampMs = value;
      return;
    }
    throw pointFault(
      'bad_timestamp',
      `"timestamp" is ${isNumber ? badTime(value) : this.#kindOf(byte)}; send whole milliseconds since 1970, or leave it out.`,
      '/timestamp',
    );
  }

  #readKey(): void {
    const byte = this.cursor.peek();
    if (byte === quote) {
      this.key = this.cursor.text();
      return;
    }
    throw pointFault(
      'bad_key',
      `"key" is ${this.#kindOf(byte)}; send a text, or leave it out.`,
      '/key',
    );
  }

  #takesNull(): boolean {
    if (this.cursor.peek() < 0) this.cursor.fail('a value expected');
    return this.cursor.takes(nullToken);
  }

  #name(): string {
    if (this.cursor.peek() !== quote) this.cursor.fail('a field name expected');
    return this.cursor.text();
  }

  /** Takes the opening bracket. @returns whether something is inside */
  #opens(close: number): boolean {
    this.cursor.at += 1;
    if (this.cursor.peek() !== close) return true;
    this.cursor.at += 1;
    return false;
  }

  /** @returns whether another element follows */
  #continues(close: number): boolean {
    const { cursor } = this;
    const byte = cursor.peek();
    if (byte !== comma && byte !== close) cursor.fail('a "," expected');
    cursor.at += 1;
    if (byte === comma) cursor.peek();
    return byte === comma;
  }

  #numberFollows(byte: number): boolean {
    if (byte >= 0x30 && byte <= 0x39) return true;
    return byte === minus && this.cursor.bytes[this.cursor.at + 1] !== capitalI;
  }

  /** @throws "bad_json" when no value of JSON begins so (and Python writes none such) */
  #kindOf(byte: number): string {
    const { cursor } = this;
    if (this.#numberFollows(byte)) return 'a number';
    if (cursor.takes(nanToken)) return 'NaN';
    if (infinityTokens.some((token) => cursor.takes(token))) return 'infinite';
    const kind = kinds.get(byte);
    return kind ?? cursor.fail('a value expected');
  }

  #missingVector(): never {
    const orFeatures = this.#known.features.length > 0 ? ', or its features by name' : '';
    throw pointFault(
      'missing_vector',
      `The point has no "vector"; send {"vector":[…]}${orFeatures}.`,
    );
  }

  #notAPoint(byte: number): never {
    if (byte < 0) throw pointFault('empty_value', 'The value is empty; send a point.');
    const kind = this.#kindOf(byte);
    throw pointFault('not_a_point', `The value is ${kind}; send {"vector":[…]} or [ … ].`);
  }

  #duplicate(name: string, parent: string): never {
    throw pointFault(
      'duplicate_field',
      `The field ${excerpt(name)} stands there twice; send it once.`,
      pointerTo(parent, name),
    );
  }

  #unknownField(name: string): never {
    const known = this.#known.features.length > 0 ? ' or a feature of the model' : '';
    throw pointFault(
      'unknown_field',
      `${excerpt(name)} is no field of a point; the fields are vector, features, weight, timestamp and key${known}.`,
      pointerTo('', name),
    );
  }

  #unknownFeature(name: string): never {
    throw pointFault(
      'unknown_feature',
      `${excerpt(name)} is no feature of the model; see model.features for the ${this.#known.features.length} names.`,
      pointerTo('/features', name),
    );
  }
}

/** Beside "send …": the other way for a value that is missing. */
const orPolicy = ', or set model.missing';

type Field = 'vector' | 'features' | 'weight' | 'timestamp' | 'key';
const fields: readonly Field[] = ['vector', 'features', 'weight', 'timestamp', 'key'];
/** At the top level these mean something else than a feature. */
const reserved: ReadonlySet<string> = new Set(fields);

const kinds = new Map([
  [quote, 'a text'],
  [openBrace, 'an object'],
  [openBracket, 'an array'],
  [0x74, 'a boolean'],
  [0x66, 'a boolean'],
  [0x6e, 'null'],
]);

function numbers(count: number): string {
  return count === 1 ? '1 number' : `${count} numbers`;
}

function badTime(value: number): string {
  if (value < 0) return 'negative';
  return value > timestampMsMax ? 'after the year 9999' : 'no whole number';
}

function nameOf(place: number | string): string {
  if (typeof place === 'string') return `The feature ${excerpt(place)}`;
  return `Number ${place + 1} of the vector`;
}

/** RFC 6901 */
function pointerTo(parent: string, place: number | string): string {
  return `${parent}/${String(place).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
