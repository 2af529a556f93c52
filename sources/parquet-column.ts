// A column chunk of numbers, page by page: hyparquet parses headers and decodes values, here they are put where they belong. Its own
// reader also assembles nested values, and took three quarters of its time for that even where a column is flat and has no nulls.

import type { FileMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { decompressPage, readDataPage, readDataPageV2 } from 'hyparquet/src/datapage.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { getSchemaPath } from 'hyparquet/src/schema.js';
import { readVarInt } from 'hyparquet/src/thrift.js';
import { uncompressSync } from 'snappy';

type ColumnDecoder = Parameters<typeof readDataPage>[2];
type DataPage = ReturnType<typeof readDataPage>;
type PageHeader = ReturnType<typeof parquetHeader>;

/** Native: three times as fast as hyparquet's own. Its copy is cheaper than memory that the garbage collector has to hand back. */
const compressors = {
  SNAPPY: (bytes: Uint8Array) => uncompressSync(bytes, { copyOutputData: true }) as Uint8Array,
};

/** Where a chunk lies in its file, and how its pages are decoded. */
export interface ColumnChunk {
  readonly offset: number;
  readonly length: number;
  readonly decoder: ColumnDecoder;
  /** How those are decoded that have no nulls: as if the column could have none. */
  readonly required: ColumnDecoder;
}

/** @param name of a FLOAT or DOUBLE column of the top level */
export function columnChunk(metadata: FileMetaData, group: number, name: string): ColumnChunk {
  const { columns } = metadata.row_groups[group]!;
  const meta = columns.find(({ meta_data }) => meta_data?.path_in_schema.join('.') === name);
  const chunk = meta?.meta_data;
  if (chunk === undefined) throw new Error('the row group does not have it');
  const schemaPath = getSchemaPath(metadata.schema, [name]);
  const [root, leaf] = schemaPath as [(typeof schemaPath)[0], (typeof schemaPath)[0]];
  const { element } = leaf;
  const decoder: ColumnDecoder = {
    ...{ pathInSchema: [name], type: chunk.type, codec: chunk.codec },
    ...{ element, schemaPath, parsers: DEFAULT_PARSERS, compressors },
  };
  const filled = { ...leaf, element: { ...element, repetition_type: 'REQUIRED' as const } };
  return {
    offset: Number(chunk.dictionary_page_offset || chunk.data_page_offset),
    length: Number(chunk.total_compressed_size),
    ...{ decoder, required: { ...decoder, schemaPath: [root, filled] } },
  };
}

/**
 * @param bytes the chunk
 * @param out its rows; what is null there is NaN
 * @throws when it is damaged, or has another number of values
 */
export function decodeColumn(chunk: ColumnChunk, bytes: Uint8Array, out: Float32Array): void {
  const reader = { view: viewOf(bytes), offset: 0 };
  let dictionary: ArrayLike<number> = [];
  let read = 0;
  while (read < out.length && reader.offset < bytes.length) {
    const header = parquetHeader(reader);
    const size = header.compressed_page_size;
    const page = new Uint8Array(bytes.buffer, bytes.byteOffset + reader.offset, size);
    reader.offset += size;
    if (header.type === 'DICTIONARY_PAGE') dictionary = numbersOf(chunk, header, page);
    else {
      const { rows, encoding, data } = decodePage(chunk, header, page);
      const looked = encoding.endsWith('_DICTIONARY') ? dictionary : undefined;
      put(data, looked, out.subarray(read, read + rows));
      read += rows;
    }
  }
  if (read !== out.length) throw new Error(`it has ${read} of ${out.length} values`);
}

function numbersOf(
  { decoder: { type, codec } }: ColumnChunk,
  { dictionary_page_header, uncompressed_page_size }: PageHeader,
  page: Uint8Array,
): ArrayLike<number> {
  const bytes = decompressPage(page, uncompressed_page_size, codec, compressors);
  const reader = { view: viewOf(bytes), offset: 0 };
  const numbers = readPlain(reader, type, dictionary_page_header!.num_values, undefined);
  return numbers as ArrayLike<number>;
}

interface DecodedPage {
  readonly rows: number;
  readonly encoding: string;
  readonly data: DataPage;
}

function decodePage(chunk: ColumnChunk, header: PageHeader, page: Uint8Array): DecodedPage {
  const { decoder, required } = chunk;
  const { data_page_header: first, data_page_header_v2: second } = header;
  if (second !== undefined) {
    const { num_rows: rows, encoding } = second;
    return { rows, encoding, data: readDataPageV2(page, header, decoder) };
  }
  if (first === undefined) throw new Error(`it has a page of type ${header.type}`);
  const { num_values: rows, encoding } = first;
  const bytes = decompressPage(page, header.uncompressed_page_size, decoder.codec, compressors);
  const isOptional = decoder.element.repetition_type === 'OPTIONAL';
  const levels = isOptional ? lengthOfOnes(bytes, rows) : undefined;
  const data =
    levels === undefined
      ? readDataPage(bytes, first, decoder)
      : readDataPage(bytes.subarray(levels), first, required);
  return { rows, encoding, data };
}

/** Of the definition levels a page begins with, when they are a single run that says that all values are there. */
function lengthOfOnes(page: Uint8Array, rows: number): number | undefined {
  const reader = { view: viewOf(page), offset: 4 };
  const run = readVarInt(reader);
  const isOnes = (run & 1) === 0 && run >>> 1 >= rows && page[reader.offset] === 1;
  return isOnes ? 4 + reader.view.getUint32(0, true) : undefined;
}

/** @param dictionary when the data are places in it */
function put(
  { definitionLevels, dataPage }: DataPage,
  dictionary: ArrayLike<number> | undefined,
  out: Float32Array,
): void {
  const data = dataPage as ArrayLike<number>;
  const levels = definitionLevels?.length ? definitionLevels : undefined;
  if (levels === undefined && dictionary === undefined) {
    out.set(data);
    return;
  }
  for (let row = 0, at = 0; row < out.length; row++) {
    if (levels !== undefined && levels[row] !== 1) out[row] = Number.NaN;
    else if (dictionary === undefined) out[row] = data[at++]!;
    else out[row] = dictionary[data[at++]!]!;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
