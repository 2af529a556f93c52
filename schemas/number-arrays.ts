// Typed arrays as little-endian bytes and back: how columns of numbers travel in messages, stores and records.

type NumberArray = Float64Array | Float32Array | Int32Array;
interface NumberArrayType<T extends NumberArray> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A view of the array's memory where the machine is little-endian, else a copy. */
export function bytesOf(array: NumberArray): Buffer {
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return littleEndian ? bytes : swapped(Buffer.from(bytes), array.BYTES_PER_ELEMENT);
}

/**
 * The numbers in `bytes`: a view of them where alignment and machine allow it, else a copy.
 * @throws RangeError when the length is not a whole number of elements.
 */
export function numbersIn<T extends NumberArray>(bytes: Uint8Array, type: NumberArrayType<T>): T {
  const width = type.BYTES_PER_ELEMENT;
  if (bytes.length % width !== 0) {
    throw new RangeError(`${bytes.length} bytes are not a whole number of ${width}-byte elements.`);
  }
  if (littleEndian && bytes.byteOffset % width === 0) {
    return new type(bytes.buffer, bytes.byteOffset, bytes.length / width);
  }
  const copy = new Uint8Array(bytes);
  if (!littleEndian) swapped(Buffer.from(copy.buffer), width);
  return new type(copy.buffer, 0, bytes.length / width);
}

function swapped(bytes: Buffer, width: number): Buffer {
  return width === 8 ? bytes.swap64() : bytes.swap32();
}
