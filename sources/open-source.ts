// Opens a file or standard input as a source of points.

import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { RecordBatchBuilder } from '../schemas/index.ts';
import { FatalError, InvalidSettingError } from '../support/index.ts';
import { csvLayout } from './csv.ts';
import { ByteCounter, fileBytes, type Line, lineBytesMax, linesOf, unpacked } from './lines.ts';
import { ndjsonReader } from './ndjson.ts';
import {
  type BadLine,
  BadLineError,
  type LineReader,
  type Source,
  type SourceChunk,
  type SourceFormat,
  type SourceOptions,
} from './source.ts';

const chunkLinesMaxDefault = 1_000;
const tooLong = `is longer than ${lineBytesMax} bytes`;

/** The options and what follows from them; nothing is optional any more but what may be absent. */
interface CompiledOptions {
  readonly path: string;
  readonly name: string;
  readonly format: SourceFormat;
  readonly delimiter: string;
  readonly fromLine: number;
  readonly chunkLinesMax: number;
}

/**
 * @param path a file, gzip or not, or "-" for standard input.
 * @throws InvalidSettingError when there is no such file or column.
 */
export async function openSource(path: string, options: SourceOptions): Promise<Source> {
  const compiled = compileSourceOptions(path, options);
  const bytesTotal = await sizeOf(path);
  const counter = new ByteCounter();
  const input = path === '-' ? standardInput(options) : fileBytes(path);
  const lines = linesOf(unpacked(counter.over(input)))[Symbol.asyncIterator]();
  const first = await firstLines(lines, path);
  const { reader, headerLines } = layoutOf(first[0], compiled, options);
  const { name, format } = compiled;
  return {
    name,
    format,
    features: reader.features,
    bytesTotal,
    chunks: () =>
      chunksOf({
        lines: withFirst(first, lines),
        reader,
        compiled,
        headerLines,
        counter,
        bytesTotal,
        nowMs: () => options.clock.nowMs(),
      }),
    close: async () => {
      await lines.return?.();
    },
  };
}

function compileSourceOptions(path: string, options: SourceOptions): CompiledOptions {
  const file = path === '-' ? 'stdin' : basename(path);
  const plainName = file.replace(/\.gz$/i, '');
  const delimiter = options.delimiter ?? (/\.tsv$/i.test(plainName) ? '\t' : ',');
  if (delimiter.length !== 1 || delimiter === '"') {
    throw new InvalidSettingError(
      `The delimiter is "${delimiter}"; it must be one character, not a quote.`,
    );
  }
  return {
    path,
    name: plainName.replace(/\.[^.]+$/, ''),
    format: options.format ?? (/\.(ndjson|jsonl|json)$/i.test(plainName) ? 'ndjson' : 'csv'),
    delimiter,
    fromLine: options.fromLine ?? 1,
    chunkLinesMax: options.chunkLinesMax ?? chunkLinesMaxDefault,
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  if (path === '-') return undefined;
  const found = await stat(path).catch((cause: unknown) => {
    throw new InvalidSettingError(
      `The file ${path} cannot be read; give the path of a CSV or NDJSON file.`,
      { cause },
    );
  });
  if (found.isFile()) return found.size;
  throw new InvalidSettingError(
    `${path} is not a file; give the path of a CSV or NDJSON file, or "-" for standard input.`,
  );
}

function standardInput({ standardInput }: SourceOptions): AsyncIterable<Uint8Array> {
  if (standardInput !== undefined) return standardInput;
  throw new InvalidSettingError('Standard input was asked for but is not given.');
}

/** The first piece that holds a whole line, or nothing when the input is empty. */
async function firstLines(lines: AsyncIterator<Line[]>, path: string): Promise<Line[]> {
  for (;;) {
    const { done, value } = await lines
      .next()
      .catch((cause: unknown) => unreadable(path, 1, cause));
    if (done || value.length > 0) return done ? [] : value;
  }
}

function layoutOf(
  firstLine: Line | undefined,
  { path, format, delimiter }: CompiledOptions,
  { keyColumn, header, ignoreColumns = [] }: SourceOptions,
): { reader: LineReader; headerLines: number } {
  const key = keyColumn === undefined ? {} : { keyColumn };
  if (format === 'ndjson' || firstLine === undefined) {
    return { reader: ndjsonReader({ ...key, ignoreColumns }), headerLines: 0 };
  }
  const known = header === undefined ? {} : { header };
  const options = { ...key, ...known, delimiter, ignoreColumns };
  try {
    if (firstLine.text === undefined) throw new BadLineError(tooLong);
    const { reader, hasHeader } = csvLayout(firstLine.text, options);
    return { reader, headerLines: hasHeader ? 1 : 0 };
  } catch (cause) {
    if (!(cause instanceof BadLineError)) throw cause;
    throw new InvalidSettingError(
      `Line 1 of ${path} ${cause.message}, so its columns are unknown; is this a CSV file?`,
      { cause },
    );
  }
}

async function* withFirst(first: Line[], rest: AsyncIterator<Line[]>): AsyncIterable<Line[]> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

interface ChunkInput {
  readonly lines: AsyncIterable<Line[]>;
  readonly reader: LineReader;
  readonly compiled: CompiledOptions;
  readonly headerLines: number;
  readonly counter: ByteCounter;
  readonly bytesTotal: number | undefined;
  readonly nowMs: () => number;
}

async function* chunksOf(input: ChunkInput): AsyncIterable<SourceChunk> {
  const { reader, compiled, headerLines, counter, bytesTotal } = input;
  const records = new RecordBatchBuilder();
  const skipTo = Math.max(compiled.fromLine, headerLines + 1);
  let badLines: BadLine[] = [];
  let nextLine = skipTo;
  const chunk = (): SourceChunk => ({
    records,
    badLines,
    nextLine,
    bytesRead: counter.bytes,
    bytesTotal,
  });
  const filled = () => records.n + badLines.length;
  const clear = () => {
    records.clear();
    badLines = [];
  };
  try {
    for await (const lines of input.lines) {
      for (const line of lines) {
        if (line.number < skipTo) continue;
        const bad = readLine(line, reader, records, input);
        if (bad !== undefined) badLines.push(bad);
        nextLine = line.number + 1;
        if (filled() < compiled.chunkLinesMax) continue;
        yield chunk();
        clear();
      }
      // What somebody types or a program pipes in slowly is not held back until the chunk is full.
      if (bytesTotal !== undefined || filled() === 0) continue;
      yield chunk();
      clear();
    }
  } catch (cause) {
    unreadable(compiled.path, nextLine, cause);
  }
  if (filled() > 0) yield chunk();
}

const encoder = new TextEncoder();

function readLine(
  { number, text }: Line,
  reader: LineReader,
  records: RecordBatchBuilder,
  { compiled, headerLines, nowMs }: ChunkInput,
): BadLine | undefined {
  if (text === undefined) {
    return { line: number, reason: tooLong };
  }
  try {
    const point = reader.read(text);
    if (point === undefined) return undefined;
    const key = point.key ?? `${compiled.name}-${number - headerLines}`;
    records.append(nowMs(), encoder.encode(key), encoder.encode(point.value));
    return undefined;
  } catch (error) {
    if (error instanceof BadLineError) return { line: number, reason: error.message };
    throw error;
  }
}

function unreadable(path: string, line: number, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new FatalError(`${path} cannot be read on from line ${line}: ${why}.`, {
    cause,
    path,
    line,
  });
}
