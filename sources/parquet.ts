// Parquet files whose feature columns are numbers, one column per feature, as row-major blocks: one row group at a time, some columns
// of it at a time. Memory is bounded by a row group of the chosen columns and 16 columns of it besides.
//
//     const file = await openParquet('points.parquet');
//     for (let group = 0; group < file.groupRows.length; group++) use(await file.read(group));

import { type FileHandle, open } from 'node:fs/promises';
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import { FatalError, InvalidSettingError } from '../support/index.ts';
import { columnChunk, decodeColumn } from './parquet-column.ts';

export interface ParquetFile {
  /** Columns that are read, in the order of a row's components. */
  readonly features: readonly string[];
  /** Rows of each row group. */
  readonly groupRows: readonly number[];
  /**
   * A row group, rows × features; what is null there is NaN.
   * @param out used again when it is long enough
   * @throws FatalError when it cannot be decoded
   */
  read(group: number, out?: Float32Array): Promise<Float32Array>;
}

/** 16 float32 are a cache line. */
const stripColumns = 16;

/**
 * @param features columns to read; when left out, all that are FLOAT or DOUBLE, in file order.
 * @throws InvalidSettingError when there is no such file or column.
 */
export async function openParquet(
  path: string,
  features?: readonly string[],
): Promise<ParquetFile> {
  const metadata = await metadataOf(path);
  const numeric = numericColumns(metadata);
  const columns = features ?? numeric;
  const odd = columns.filter((name) => !numeric.includes(name));
  if (odd.length > 0 || columns.length === 0) {
    throw new InvalidSettingError(
      `${path} has ${odd.length > 0 ? `no column of numbers "${odd[0]}"` : 'no columns of numbers'}; ` +
        `a feature is a FLOAT or DOUBLE column of its own. There are: ${numeric.join(', ') || 'none'}.`,
      { path },
    );
  }
  const groupRows = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
  const strip = new Strip();
  const read = async (group: number, out?: Float32Array): Promise<Float32Array> => {
    const rows = groupRows[group]!;
    const length = rows * columns.length;
    const values = out && out.length >= length ? out.subarray(0, length) : new Float32Array(length);
    const file = await open(path);
    try {
      for (let at = 0; at < columns.length; at += stripColumns) {
        const some = columns.slice(at, at + stripColumns);
        strip.begin(rows);
        for (const [i, name] of some.entries()) {
          await readColumn(file, metadata, group, name, strip.column(i)).catch((cause: unknown) => {
            const why = cause instanceof Error ? cause.message : String(cause);
            throw new FatalError(
              `Column "${name}" of ${path} cannot be read in row group ${group}: ${why}.`,
              { cause, path },
            );
          });
        }
        strip.interleave(some.length, values, at, columns.length);
      }
    } finally {
      await file.close();
    }
    return values;
  };
  return { features: columns, groupRows, read };
}

async function metadataOf(path: string): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(await asyncBufferFromFile(path));
  } catch (cause) {
    throw new InvalidSettingError(
      `The file ${path} cannot be read as Parquet; give the path of a Parquet file.`,
      { cause, path },
    );
  }
}

/** Of the top level: the first element is the root, and a group's children follow it. */
function numericColumns({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  for (let at = 1; at < schema.length; at = afterSubtree(schema, at)) {
    const { name, type, num_children, repetition_type } = schema[at]!;
    const isNumber = type === 'FLOAT' || type === 'DOUBLE';
    if (isNumber && !num_children && repetition_type !== 'REPEATED') names.push(name);
  }
  return names;
}

function afterSubtree(schema: FileMetaData['schema'], at: number): number {
  let next = at + 1;
  for (let child = 0; child < (schema[at]!.num_children ?? 0); child++) {
    next = afterSubtree(schema, next);
  }
  return next;
}

async function readColumn(
  file: FileHandle,
  metadata: FileMetaData,
  group: number,
  name: string,
  out: Float32Array,
): Promise<void> {
  const chunk = columnChunk(metadata, group, name);
  const bytes = new Uint8Array(chunk.length);
  const { bytesRead } = await file.read(bytes, 0, chunk.length, chunk.offset);
  decodeColumn(chunk, bytes.subarray(0, bytesRead), out);
}

/** Some columns side by side: decoded as they lie in the file, then written into rows a cache line at a time. */
class Strip {
  #rows = 0;
  /** A column's rows and a cache line more: columns of a power of two rows would all lie in the same lines of the cache. */
  #stride = 0;
  #values = new Float32Array(0);

  begin(rows: number): void {
    this.#rows = rows;
    this.#stride = rows + stripColumns;
    const length = stripColumns * this.#stride;
    if (this.#values.length < length) this.#values = new Float32Array(length);
  }

  column(i: number): Float32Array {
    return this.#values.subarray(i * this.#stride, i * this.#stride + this.#rows);
  }

  interleave(count: number, out: Float32Array, at: number, dims: number): void {
    interleave(this.#values, this.#stride, this.#rows, count, out, at, dims);
  }
}

function interleave(
  columns: Float32Array,
  stride: number,
  rows: number,
  count: number,
  out: Float32Array,
  at: number,
  dims: number,
): void {
  for (let row = 0, to = at; row < rows; row++, to += dims) {
    for (let i = 0, from = row; i < count; i++, from += stride) out[to + i] = columns[from]!;
  }
}
