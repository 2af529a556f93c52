// Numbers as JSON text, written straight into bytes: no string per number.
//
// A float32 is printed with the fewest of 7 to 9 digits that give it back: a reader that takes the text for a float64, as
// JSON does, and rounds that to float32 has the same bits. (17 digits of a float64 would say nothing more.) Each attempt
// scales, rounds and looks: m / 10^s with m < 2^53 and s ≤ 22 is exactly what a reader makes of the digits.

const zero = 0x30;
const point = 0x2e;
const minus = 0x2d;
const digitsMin = 7;
const digitsMax = 9;
/** Within these the digits are counted here; beyond them a float32 is printed by the engine, with an exponent. */
const plainMin = 1e-6;
const plainMax = 1e6;
const billion = 1_000_000_000;
const powers = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** Bytes that either function writes at most. */
export const numberBytesMax = 26;

/** @param value a finite float32. @returns where the next byte goes. */
export function writeFloat32(out: Uint8Array, start: number, value: number): number {
  if (value === 0) return writeInteger(out, start, 0);
  let at = start;
  let rest = value;
  if (value < 0) {
    out[at++] = minus;
    rest = -value;
  }
  if (!(rest >= plainMin && rest < plainMax)) return writeText(out, at, String(shorter(rest)));
  const decimals = decimalsOf(rest);
  const scale = powers[decimals]!;
  const scaled = Math.round(rest * scale);
  const whole = Math.floor(scaled / scale);
  at = writeInteger(out, at, whole);
  return writeFraction(out, at, scaled - whole * scale, decimals);
}

/** The number whose text, as JavaScript prints it, is that of `writeFloat32`. */
export function shorter(value: number): number {
  const size = Math.abs(value);
  if (!(size >= plainMin && size < plainMax)) {
    for (let digits = digitsMin; digits < digitsMax; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return Number(value.toPrecision(digitsMax));
  }
  const scale = powers[decimalsOf(size)]!;
  return (Math.sign(value) * Math.round(size * scale)) / scale;
}

/** @param value a whole number from 0 to 2^53. @returns where the next byte goes. */
export function writeInteger(out: Uint8Array, at: number, value: number): number {
  if (value < billion) return writeDigits(out, at, value | 0, digitCount(value | 0));
  const high = Math.floor(value / billion);
  return writeDigits(out, writeInteger(out, at, high), (value - high * billion) | 0, 9);
}

function decimalsOf(value: number): number {
  let decimals = digitsMin - leadingDigits(value);
  for (let more = digitsMin; more < digitsMax; more++, decimals++) {
    const scale = powers[decimals]!;
    if (Math.fround(Math.round(value * scale) / scale) === value) break;
  }
  return decimals;
}

/** Digits before the point; for what is below 0.1, less the zeros behind it. */
function leadingDigits(value: number): number {
  if (value >= 1) {
    let digits = 1;
    while (value >= powers[digits]!) digits += 1;
    return digits;
  }
  let zeros = 0;
  while (value * powers[zeros + 1]! < 1) zeros += 1;
  return -zeros;
}

/** Point and digits, without zeros at the end. */
function writeFraction(out: Uint8Array, start: number, fraction: number, decimals: number): number {
  if (fraction === 0) return start;
  let width = decimals;
  let rest = fraction | 0;
  while (rest % 10 === 0) {
    rest = (rest / 10) | 0;
    width -= 1;
  }
  out[start] = point;
  return writeDigits(out, start + 1, rest, width);
}

/** The last `width` digits of a number below 2^31, zeros in front. */
function writeDigits(out: Uint8Array, start: number, value: number, width: number): number {
  let rest = value;
  for (let at = start + width - 1; at >= start; at--) {
    const tenth = (rest / 10) | 0;
    out[at] = zero + rest - tenth * 10;
    rest = tenth;
  }
  return start + width;
}

function digitCount(value: number): number {
  let digits = 1;
  while (value >= powers[digits]!) digits += 1;
  return digits;
}

function writeText(out: Uint8Array, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[start + i] = text.charCodeAt(i);
  return start + text.length;
}
