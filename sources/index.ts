// Where points come from when they are not in the log yet: files and standard input, as CSV or NDJSON, gzip or not.
// A source reads and shapes; it appends to no topic. Read source.ts first.
//
//     const source = await openSource('shuttle.csv.gz', { clock, ignoreColumns: ['anomaly'] });
//     for await (const { records, badLines, nextLine } of source.chunks()) …

export { openSource } from './open-source.ts';
export type { BadLine, Source, SourceChunk, SourceFormat, SourceOptions } from './source.ts';
