// The contract of a source: a stream of points outside the log, as chunks ready to be appended to `points`.
// Memory is bounded by one chunk and one piece of the file; whoever reads slowly slows the reading.

import type { RecordBatchBuilder } from '../schemas/index.ts';
import type { Clock } from '../support/index.ts';

export type SourceFormat = 'csv' | 'ndjson';

export interface SourceOptions {
  /** Stamps the records. */
  readonly clock: Clock;
  /** By the file's name when left out; CSV for standard input. */
  readonly format?: SourceFormat;
  /** CSV: one character; a tab for *.tsv, else a comma. */
  readonly delimiter?: string;
  /** CSV: whether line 1 names the columns; when left out, it does if none of its cells is a number. */
  readonly header?: boolean;
  /** The column (name, or number from 1) or JSON field whose text is the record's key; else "<file name>-<row>". */
  readonly keyColumn?: string;
  /** Columns (names, or numbers from 1) or JSON fields that are no features. */
  readonly ignoreColumns?: readonly string[];
  /** Resume: lines before this one are skipped. */
  readonly fromLine?: number;
  /** Lines in a chunk, good and bad. */
  readonly chunkLinesMax?: number;
  /** What "-" reads. */
  readonly standardInput?: AsyncIterable<Uint8Array>;
}

/** A line that gave no point. */
export interface BadLine {
  readonly line: number;
  readonly reason: string;
}

export interface SourceChunk {
  /** Keys and JSON values, to be appended as they are. Valid until the next chunk is asked for. */
  readonly records: RecordBatchBuilder;
  readonly badLines: readonly BadLine[];
  /** Give this as `fromLine` to go on after this chunk. */
  readonly nextLine: number;
  /** Bytes of the file read so far, compressed as it is; a little ahead of the records. */
  readonly bytesRead: number;
  /** Undefined for standard input. */
  readonly bytesTotal: number | undefined;
}

export interface Source {
  /** The file's name without folders and endings, as in the keys it makes. */
  readonly name: string;
  readonly format: SourceFormat;
  /** CSV: the names of the vector's components in order, numbers from 1 without a header. Empty for NDJSON. */
  readonly features: readonly string[];
  readonly bytesTotal: number | undefined;
  /** Once. @throws FatalError when the file cannot be read on, with the line it came to. */
  chunks(): AsyncIterable<SourceChunk>;
  /** For a source that is not read to its end. Idempotent. */
  close(): Promise<void>;
}

/** What becomes of one line: a point as JSON with its key, or the reason why not. Blank lines give nothing. */
export interface PointLine {
  readonly key: string | undefined;
  readonly value: string;
}
export interface LineReader {
  readonly features: readonly string[];
  /** @throws BadLineError */
  read(text: string): PointLine | undefined;
}

/** Thrown by a line reader, caught by the source: the line is reported and skipped. */
export class BadLineError extends Error {}
