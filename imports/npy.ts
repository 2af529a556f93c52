// One array of NumPy's file format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
//
//   \x93NUMPY, version (2 bytes), length of the header (2 or 4 bytes, little-endian), a Python dictionary as text, the numbers
//
// The dictionary has 'descr' (such as '<f8': byte order, kind, width), 'fortran_order' and 'shape'. It is matched, never
// evaluated. An array of Python objects ('|O') is a pickle behind its header, and is refused.

import { InvalidModelFileError } from '../support/index.ts';

/** Row-major. */
export type NamedArray =
  | { readonly shape: readonly number[]; readonly data: Float64Array; readonly texts?: undefined }
  | {
      readonly shape: readonly number[];
      readonly texts: readonly string[];
      readonly data?: undefined;
    };

const magic = '\x93NUMPY';

type Read = (view: DataView, at: number, littleEndian: boolean) => number;

const readers: Readonly<Record<string, Read>> = {
  f8: (view, at, little) => view.getFloat64(at, little),
  f4: (view, at, little) => view.getFloat32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  i4: (view, at, little) => view.getInt32(at, little),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
  u4: (view, at, little) => view.getUint32(at, little),
};

/** @param name what it is called in its archive, for messages */
export function readNpy(name: string, bytes: Uint8Array): NamedArray {
  const { kind, littleEndian, width, isFortran, shape, start } = headerOf(name, bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const n = shape.reduce((product, size) => product * size, 1);
  const bytesEach = kind === 'U' ? 4 * width : width;
  if (start + n * bytesEach > bytes.length)
    throw new InvalidModelFileError(`"${name}" is cut short.`);
  if (kind === 'U') {
    const texts = Array.from({ length: n }, (_, i) =>
      textAt(view, start + i * bytesEach, width, littleEndian),
    );
    return { shape, texts };
  }
  const read = readers[`${kind}${width}`];
  if (read === undefined) {
    throw new InvalidModelFileError(
      `"${name}" has numbers of a kind that is not read here; write it as float64.`,
    );
  }
  const data = Float64Array.from({ length: n }, (_, i) =>
    read(view, start + i * bytesEach, littleEndian),
  );
  return { shape, data: isFortran && shape.length === 2 ? transposed(data, shape) : data };
}

function headerOf(name: string, bytes: Uint8Array) {
  const latin1 = new TextDecoder('latin1');
  if (latin1.decode(bytes.subarray(0, magic.length)) !== magic || bytes.length < 12) {
    throw new InvalidModelFileError(`"${name}" is no NumPy array.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFirst = bytes[6] === 1;
  const length = isFirst ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = (isFirst ? 10 : 12) + length;
  const text = latin1.decode(bytes.subarray(isFirst ? 10 : 12, start));
  const descr = /'descr': *'([<>|=])([a-zA-Z])(\d*)'/.exec(text);
  const shape = /'shape': *\(([\d, ]*)\)/.exec(text);
  if (descr?.[2] === 'O') {
    throw new InvalidModelFileError(
      `"${name}" holds Python objects (a pickle), not numbers; leave it out when it is None, and write names with .astype(str).`,
    );
  }
  if (descr === null || shape === null)
    throw new InvalidModelFileError(`The header of "${name}" cannot be read.`);
  return {
    kind: descr[2]!,
    littleEndian: descr[1] !== '>',
    width: Number(descr[3]),
    isFortran: /'fortran_order': *True/.test(text),
    shape: [...shape[1]!.matchAll(/\d+/g)].map(([size]) => Number(size)),
    start,
  };
}

/** NumPy's text: UTF-32, filled up with zeros. */
function textAt(view: DataView, at: number, width: number, littleEndian: boolean): string {
  let text = '';
  for (let i = 0; i < width; i += 1) {
    const point = view.getUint32(at + 4 * i, littleEndian);
    if (point === 0 || point > 0x10ffff) break;
    text += String.fromCodePoint(point);
  }
  return text;
}

function transposed(data: Float64Array, [rows, columns]: readonly number[]): Float64Array {
  return Float64Array.from(
    data,
    (_, i) => data[(i % columns!) * rows! + Math.floor(i / columns!)]!,
  );
}
