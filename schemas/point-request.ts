// Points as they come over HTTP: {"points":[…]}, one point alone, or one point a line (NDJSON). Each becomes the key and the
// value of a record, the value byte for byte as it was sent, judged by the same reader that reads records. A request is
// taken whole or refused at its first fault, which says where it is: "/points/3/vector/0".

import { InvalidRecordError } from '../support/index.ts';
import { type PointFault, pointFault } from './point-faults.ts';
import { PointReader, type PointShape } from './point-reader.ts';

export interface PointRequestOptions {
  /** Of the current model; dims 0 when there is none: then the first point fixes it for this request. */
  readonly shape: PointShape;
  readonly pointsMax: number;
  /** Of one point. */
  readonly bytesMax: number;
}

export interface PointRequest {
  readonly n: number;
  readonly dims: number;
  readonly features: readonly string[];
  /** n × dims */
  readonly values: Float32Array;
  /** The "key" of each point in UTF-8, null where it has none. */
  readonly keys: readonly (Uint8Array | null)[];
  /** Of each point: views of the body. */
  readonly recordValues: readonly Uint8Array[];
}

const pointsName = Buffer.from('"points"');
const byteOrderMark = Buffer.of(0xef, 0xbb, 0xbf);
const openBrace = 0x7b;
const openBracket = 0x5b;
const newline = 0x0a;

/** Reads one body. @throws InvalidRecordError with a code of point-faults.ts and `fields.pointer` into the body. */
export function readPointRequest(body: Uint8Array, options: PointRequestOptions): PointRequest {
  const request = new RequestReader(body, options);
  request.readJson();
  return request.result();
}

/** One point a line; empty lines are skipped. A pointer begins with the line, counted from 0: "/3/vector/0". */
export function readPointLines(body: Uint8Array, options: PointRequestOptions): PointRequest {
  const request = new RequestReader(body, options);
  request.readLines();
  return request.result();
}

class RequestReader {
  readonly #body: Uint8Array;
  readonly #options: PointRequestOptions;
  readonly #reader = new PointReader();
  readonly #keys: (Uint8Array | null)[] = [];
  readonly #recordValues: Uint8Array[] = [];
  #shape: PointShape;
  #values: Float32Array = new Float32Array(0);

  constructor(body: Uint8Array, options: PointRequestOptions) {
    this.#body = body;
    this.#options = options;
    this.#shape = options.shape;
    this.#reader.expect(options.shape);
    this.#reader.cursor.reset(body, 0, body.length);
  }

  readJson(): void {
    const { cursor } = this.#reader;
    if (cursor.takes(byteOrderMark)) {
      throw pointFault('byte_order_mark', 'The JSON begins with a byte order mark; leave it out.');
    }
    if (this.#takesPoints()) this.#readList();
    else this.#readPoint('');
    if (cursor.peek() >= 0) cursor.fail('something after the end of the request');
  }

  readLines(): void {
    const { cursor } = this.#reader;
    const body = this.#body;
    for (let start = 0, line = 0; start < body.length; line++) {
      const found = body.indexOf(newline, start);
      const end = found < 0 ? body.length : found;
      cursor.reset(body, start, end);
      if (cursor.peek() >= 0) {
        this.#readPoint(`/${line}`);
        within(`/${line}`, () => {
          if (cursor.peek() >= 0) cursor.fail('something after the point');
        });
      }
      start = end + 1;
    }
    if (this.#keys.length === 0) throw pointFault('not_points', 'There are no points; send some.');
  }

  result(): PointRequest {
    const { dims, features } = this.#shape;
    const n = this.#keys.length;
    const values = this.#values.subarray(0, n * dims);
    return { n, dims, features, values, keys: this.#keys, recordValues: this.#recordValues };
  }

  #takesPoints(): boolean {
    const { cursor } = this.#reader;
    if (cursor.peek() !== openBrace) return false;
    const { at } = cursor;
    cursor.at += 1;
    cursor.peek();
    if (cursor.takes(pointsName)) return true;
    cursor.at = at;
    return false;
  }

  #readList(): void {
    const { cursor } = this.#reader;
    cursor.expect(0x3a, 'a ":"');
    if (cursor.peek() !== openBracket) {
      throw pointFault('not_points', '"points" is no array; send an array of points.', '/points');
    }
    cursor.at += 1;
    if (cursor.peek() === 0x5d) {
      throw pointFault('not_points', '"points" is empty; send at least one point.', '/points');
    }
    for (;;) {
      this.#readPoint(`/points/${this.#keys.length}`);
      const byte = cursor.peek();
      if (byte !== 0x2c && byte !== 0x5d) cursor.fail('a "," expected');
      cursor.at += 1;
      if (byte === 0x5d) break;
    }
    if (cursor.peek() === 0x2c) {
      throw pointFault('unknown_field', 'The request has a field beside "points"; leave it out.');
    }
    cursor.expect(0x7d, 'a "}"');
  }

  #readPoint(pointer: string): void {
    const n = this.#keys.length;
    const reader = this.#reader;
    const { pointsMax, bytesMax } = this.#options;
    if (n === pointsMax) {
      throw pointFault(
        'too_many_points',
        `The request has more than ${pointsMax} points; send fewer at a time.`,
        pointer,
      );
    }
    this.#reserve(n * this.#shape.dims + reader.width);
    reader.cursor.peek();
    const start = reader.cursor.at;
    within(pointer, () => reader.readHere(this.#values, n * this.#shape.dims));
    const size = reader.cursor.at - start;
    if (size > bytesMax) {
      throw pointFault(
        'too_large',
        `The point has ${size} bytes, more than ${bytesMax}; send a smaller one or raise points.bytes.max.`,
        pointer,
      );
    }
    if (this.#shape.dims === 0) {
      this.#shape = reader.shape;
      reader.expect(reader.shape);
    }
    this.#keys.push(reader.key === null ? null : Buffer.from(reader.key));
    this.#recordValues.push(this.#body.subarray(start, start + size));
  }

  #reserve(length: number): void {
    if (length <= this.#values.length) return;
    const before = this.#values;
    this.#values = new Float32Array(Math.max(length, before.length * 2));
    this.#values.set(before);
  }
}

/** Puts a pointer in front of that of a fault. */
function within(prefix: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    const pointer = `${prefix}${error.fields.pointer}`;
    throw pointFault(error.code as PointFault, error.message, pointer);
  }
}
