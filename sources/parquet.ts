// Parquet files whose feature columns are numbers, one column per feature, as row-major blocks: one row group at a time, one
// column of it at a time. Memory is bounded by a row group of the chosen columns and one column of it besides.
//
//     const file = await openParquet('points.parquet');
//     for (let group = 0; group < file.groupRows.length; group++) use(await file.read(group));

import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet';
import { FatalError, InvalidSettingError } from '../support/index.ts';

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

/**
 * @param features columns to read; when left out, all that are FLOAT or DOUBLE, in file order.
 * @throws InvalidSettingError when there is no such file or column.
 */
export async function openParquet(
  path: string,
  features?: readonly string[],
): Promise<ParquetFile> {
  const { file, metadata } = await opened(path);
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
  const read = async (group: number, out?: Float32Array): Promise<Float32Array> => {
    const rows = groupRows[group]!;
    const first = groupRows.slice(0, group).reduce((sum, n) => sum + n, 0);
    const length = rows * columns.length;
    const values = out && out.length >= length ? out.subarray(0, length) : new Float32Array(length);
    for (const [at, name] of columns.entries()) {
      const column = { file, metadata, name, first, rows };
      await readColumn(column, values, at, columns.length).catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new FatalError(
          `Column "${name}" of ${path} cannot be read in row group ${group}: ${why}.`,
          { cause, path },
        );
      });
    }
    return values;
  };
  return { features: columns, groupRows, read };
}

async function opened(path: string): Promise<{ file: AsyncBuffer; metadata: FileMetaData }> {
  try {
    const file = await asyncBufferFromFile(path);
    return { file, metadata: await parquetMetadataAsync(file) };
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

interface ColumnOfGroup {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly name: string;
  /** Of the row group, in the file. */
  readonly first: number;
  readonly rows: number;
}

async function readColumn(
  { file, metadata, name, first, rows }: ColumnOfGroup,
  values: Float32Array,
  at: number,
  dims: number,
): Promise<void> {
  let read = 0;
  await parquetRead({
    ...{ file, metadata, columns: [name], rowStart: first, rowEnd: first + rows },
    onPage: ({ columnData, rowStart }) => {
      scatter(columnData as ArrayLike<number | null>, values, (rowStart - first) * dims + at, dims);
      read += columnData.length;
    },
  });
  if (read !== rows) throw new Error(`it has ${read} of ${rows} values`);
}

function scatter(
  column: ArrayLike<number | null>,
  values: Float32Array,
  from: number,
  dims: number,
): void {
  // Typed arrays apart from lists with nulls: each loop then sees one kind of array.
  if (column instanceof Float32Array) {
    for (let i = 0, to = from; i < column.length; i++, to += dims) values[to] = column[i]!;
    return;
  }
  for (let i = 0, to = from; i < column.length; i++, to += dims)
    values[to] = column[i] ?? Number.NaN;
}
