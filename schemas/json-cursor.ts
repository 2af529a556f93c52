// Reads JSON byte by byte, without a string or an object for what is not asked for. Takes exactly what JSON.parse takes
// (over valid UTF-8), and gives the same numbers and texts. Numbers of up to 15 digits and a power of ten within ±22 are
// exact in one float64 operation (W. D. Clinger, 1990). For float32 18 digits are enough unless the number is next to
// halfway between two; what is left goes the long way.

import { pointFault } from './point-faults.ts';

const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

const powersOfTen = Float64Array.from({ length: 291 }, (_, exponent) => Number(`1e${exponent}`));
const digitsExactMax = 15;
const digitsKeptMax = 18;
/** More than 18 digits, a power of ten and two operations can be off by, relatively. */
const roundingError = 4e-15;

export class JsonCursor {
  bytes: Uint8Array = new Uint8Array(0);
  /** Where reading stands. */
  at = 0;
  end = 0;
  #start = 0;
  #negative = false;
  #mantissa = 0;
  #digits = 0;
  #exponent = 0;
  #buffer: Buffer = Buffer.alloc(0);
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  reset(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.at = start;
    this.end = end;
    this.#start = start;
  }

  /** The next byte that is no white space, not taken; −1 at the end. */
  peek(): number {
    const { bytes, end } = this;
    let at = this.at;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) {
        this.at = at;
        return byte;
      }
      at += 1;
    }
    this.at = at;
    return -1;
  }

  /** Takes a byte that must come next. @param expected as the message names it. */
  expect(byte: number, expected: string): void {
    if (this.peek() !== byte) this.fail(`${expected} expected`);
    this.at += 1;
  }

  /** Takes these bytes if they come next. */
  takes(literal: Uint8Array): boolean {
    const { bytes, at } = this;
    if (at + literal.length > this.end) return false;
    for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
    this.at = at + literal.length;
    return true;
  }

  /** Takes the text at the cursor. */
  text(): string {
    const { bytes, end } = this;
    const start = this.at;
    let at = start + 1;
    let plain = true;
    for (;;) {
      if (at >= end) this.#endOfInput();
      const byte = bytes[at]!;
      if (byte === quote) break;
      if (byte < 0x20) this.fail('a control character in a text', at);
      if (byte >= 0x80) plain = false;
      if (byte === backslash) {
        plain = false;
        at += 1;
      }
      at += 1;
    }
    this.at = at + 1;
    if (plain) return this.#buffer.toString('latin1', start + 1, at);
    return this.#unescape(start, at + 1);
  }

  /** Takes the number at the cursor, which stands at a digit or a minus. */
  number(): number {
    const start = this.at;
    this.#scanNumber();
    const exponent = this.#exponent;
    if (this.#digits > digitsExactMax || exponent > 22 || exponent < -22) {
      return this.#slowNumber(start);
    }
    const value =
      exponent < 0
        ? this.#mantissa / powersOfTen[-exponent]!
        : this.#mantissa * powersOfTen[exponent]!;
    return this.#negative ? -value : value;
  }

  /** The same, rounded to float32: from the digits at hand when the rest could not change a bit. */
  float32(): number {
    const start = this.at;
    this.#scanNumber();
    const exponent = this.#exponent;
    if (exponent > 290 || exponent < -290) return Math.fround(this.#slowNumber(start));
    const value =
      exponent < 0
        ? this.#mantissa / powersOfTen[-exponent]!
        : this.#mantissa * powersOfTen[exponent]!;
    const low = Math.fround(value * (1 - roundingError));
    if (low !== Math.fround(value * (1 + roundingError))) {
      return Math.fround(this.#slowNumber(start));
    }
    return this.#negative ? -low : low;
  }

  /** Where the cursor stands, counted from the first byte of the value. */
  position(at = this.at): number {
    return at - this.#start;
  }

  /** @throws the fault "bad_json" */
  fail(what: string, at = this.at): never {
    if (at >= this.end) this.#endOfInput();
    throw pointFault('bad_json', `The value is not JSON: ${what} at byte ${this.position(at)}.`);
  }

  #endOfInput(): never {
    const length = this.end - this.#start;
    throw pointFault(
      'bad_json',
      `The value is not JSON: it ends unfinished after ${length} bytes.`,
    );
  }

  #slowNumber(start: number): number {
    return Number(this.#buffer.toString('latin1', start, this.at));
  }

  /** Leaves ±mantissa · 10^exponent, to the first 18 digits, and the cursor behind the number. */
  #scanNumber(): void {
    const { bytes, end } = this;
    let at = this.at;
    let mantissa = 0;
    let digits = 0;
    let exponent = 0;
    let byte = bytes[at]!;
    this.#negative = byte === minus;
    if (byte === minus) byte = ++at < end ? bytes[at]! : 0;
    if (byte === zero) {
      byte = ++at < end ? bytes[at]! : 0;
    } else {
      const first = at;
      while (byte >= zero && byte <= nine) {
        if (digits < digitsKeptMax) mantissa = mantissa * 10 + (byte - zero);
        else exponent += 1;
        digits += 1;
        byte = ++at < end ? bytes[at]! : 0;
      }
      if (at === first) this.fail('a digit expected', at);
    }
    if (byte === 0x2e) {
      byte = ++at < end ? bytes[at]! : 0;
      const first = at;
      while (byte >= zero && byte <= nine) {
        if (digits < digitsKeptMax) {
          mantissa = mantissa * 10 + (byte - zero);
          exponent -= 1;
        }
        if (mantissa !== 0) digits += 1;
        byte = ++at < end ? bytes[at]! : 0;
      }
      if (at === first) this.fail('a digit expected', at);
    }
    this.at = at;
    this.#mantissa = mantissa;
    this.#digits = digits;
    this.#exponent = exponent;
    if (byte === 0x65 || byte === 0x45) this.#scanExponent();
  }

  #scanExponent(): void {
    const { bytes, end } = this;
    let at = this.at + 1;
    const negative = at < end && bytes[at] === minus;
    if (negative || (at < end && bytes[at] === 0x2b)) at += 1;
    const first = at;
    let exponent = 0;
    while (at < end && bytes[at]! >= zero && bytes[at]! <= nine) {
      exponent = Math.min(exponent * 10 + (bytes[at]! - zero), 1e9);
      at += 1;
    }
    if (at === first) this.fail('a digit expected', at);
    this.#exponent += negative ? -exponent : exponent;
    this.at = at;
  }

  #unescape(start: number, end: number): string {
    let text: string;
    try {
      text = this.#utf8.decode(this.bytes.subarray(start, end));
    } catch {
      const position = this.position(start);
      throw pointFault('bad_utf8', `The text at byte ${position} is not UTF-8; encode it so.`);
    }
    try {
      return JSON.parse(text);
    } catch {
      return this.fail('a bad escape in the text', start);
    }
  }
}
