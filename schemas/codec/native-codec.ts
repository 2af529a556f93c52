// The inner loops of the column codecs as machine code (codec.c), where `npm run build` found a C compiler. They do what the
// TypeScript beside their callers does, byte for byte, up to the first row that is odd; without them TypeScript does all rows.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

type Column = Float64Array | Float32Array | Int32Array | Uint8Array;

/** Rows [row, rows) of at most `bytesMax` bytes become points n, n + 1, … @returns the first row not read. */
type ReadPoints = (
  bytesMax: number,
  row: number,
  rows: number,
  n: number,
  dims: number,
  ...columns: Column[]
) => number;

/** Functions of flat arrays. Each says at which row it stopped: the end, or one that it leaves to its caller. */
export interface NativeCodec {
  readonly readFloat32Points: ReadPoints;
  /** The same, of `{"vector":[…]}` and `[…]` with nothing else in them. */
  readonly readJsonPoints: ReadPoints;
  /** Points [row, n) become JSON values. @returns the first row not written. */
  writeAssignments(row: number, n: number, k: number, ...columns: (Column | number)[]): number;
  /** Records of a batch become rows; `state` is [place in the bytes, records left, rows so far]. */
  readRecords(bytes: Uint8Array, end: number, ...columns: (Column | number)[]): void;
  /** Rows become records of a batch; `state` is [row, place in the bytes, newest timestamp]. */
  writeRecords(n: number, first: number, bytesMax: number, ...columns: Column[]): void;
  /** CRC32C of bytes [start, end). Missing where the processor has no instructions for it. */
  readonly crc32c?: (bytes: Uint8Array, start: number, end: number) => number;
}

/** Beside this module in dist/; sources find the built one. */
const places = ['./codec.node', '../../dist/schemas/codec/codec.node'];

let loaded: NativeCodec | null | undefined;

/** Loads once per thread. Null where none was built, or it does not load here. */
export function nativeCodec(): NativeCodec | null {
  if (loaded === undefined) loaded = firstThatLoads();
  return loaded;
}

function firstThatLoads(): NativeCodec | null {
  const require = createRequire(import.meta.url);
  for (const place of places) {
    try {
      return require(fileURLToPath(new URL(place, import.meta.url))) as NativeCodec;
    } catch {
      // The next place, or TypeScript.
    }
  }
  return null;
}
