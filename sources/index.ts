// Where points come from when they are not in the log yet: files and standard input, as CSV or NDJSON, gzip or not.
// Parquet files are read as blocks of numbers, for whoever wants these and no records (parquet.ts).
// A source reads and shapes; it appends to no topic. Read source.ts first.
//
//     const source = await openSource('shuttle.csv.gz', { clock, ignoreColumns: ['anomaly'] });
//     for await (const { records, badLines, nextLine } of source.chunks()) …

export { openSource } from './open-source.ts';
export { openParquet, type ParquetFile } from './parquet.ts';
export type { BadLine, Source, SourceChunk, SourceFormat, SourceOptions } from './source.ts';
