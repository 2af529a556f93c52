// The files a clustering can come in, told apart by their first bytes: arrays by name.
//
//   .npz           what numpy.savez and numpy.savez_compressed write: a ZIP of .npy files
//   .safetensors   what `meanstream models export` writes, and safetensors.numpy.save_file
//   .json          {"cluster_centers": [[…], …], …}, from any language

import { unzipSync } from 'fflate';
import { decodeSafetensors } from '../exports/index.ts';
import { InvalidModelFileError } from '../support/index.ts';
import { type NamedArray, readNpy } from './npy.ts';

export interface NamedArrays {
  readonly arrays: ReadonlyMap<string, NamedArray>;
  /** Text by name, of safetensors alone. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Unpacked, all together; a model must fit one record anyway. */
const unpackedBytesMax = 268_435_456;
const zipStart = 'PK';
const onnxAdvice =
  'Write an .npz from Python instead: np.savez("model.npz", cluster_centers=kmeans.cluster_centers_).';

export function readNamedArrays(bytes: Uint8Array): NamedArrays {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 16));
  if (start.startsWith(zipStart)) return { arrays: npzArrays(bytes), metadata: {} };
  if (start.trimStart().startsWith('{')) return { arrays: jsonArrays(bytes), metadata: {} };
  if (start[8] === '{') return decodeSafetensors(bytes);
  if (start.startsWith('\x80')) {
    throw new InvalidModelFileError(
      `It is a Python pickle, which may run any code when it is opened. ${onnxAdvice}`,
    );
  }
  throw new InvalidModelFileError(`It is none of .npz, .safetensors and .json. ${onnxAdvice}`);
}

function npzArrays(bytes: Uint8Array): Map<string, NamedArray> {
  let unpacked = 0;
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        unpacked += originalSize;
        if (unpacked > unpackedBytesMax) {
          throw new InvalidModelFileError(`It unpacks to more than ${unpackedBytesMax} bytes.`);
        }
        return name.endsWith('.npy');
      },
    });
  } catch (cause) {
    if (cause instanceof InvalidModelFileError) throw cause;
    throw new InvalidModelFileError('It begins like an .npz (a ZIP) but cannot be unpacked.', {
      cause,
    });
  }
  return new Map(
    Object.entries(files).map(([name, file]) => {
      const array = name.slice(0, -'.npy'.length);
      return [array, readNpy(array, file)];
    }),
  );
}

function jsonArrays(bytes: Uint8Array): Map<string, NamedArray> {
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new InvalidModelFileError('It begins like JSON but is not.', { cause });
  }
  return new Map(
    Object.entries(given as object).map(([name, value]) => [name, ofJson(name, value)]),
  );
}

function ofJson(name: string, value: unknown): NamedArray {
  const rows: unknown[] = Array.isArray(value) ? value : [value];
  const matrix = rows.filter((row): row is unknown[] => Array.isArray(row));
  const isMatrix = matrix.length > 0 && matrix.length === rows.length;
  const flat = isMatrix ? matrix.flat() : rows;
  if (flat.length > 0 && flat.every((item) => typeof item === 'string')) {
    return { shape: [flat.length], texts: flat };
  }
  const width = matrix[0]?.length ?? 0;
  const isRectangular = !isMatrix || matrix.every((row) => row.length === width);
  if (!isRectangular || !flat.every((item) => typeof item === 'number')) {
    throw new InvalidModelFileError(
      `"${name}" is not a list of numbers, of equally long lists of numbers, or of names.`,
    );
  }
  return { shape: isMatrix ? [rows.length, width] : [flat.length], data: Float64Array.from(flat) };
}
