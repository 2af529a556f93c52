// CSV lines to points: every column but the key and the ignored ones is a component of the vector, in file order.
// Cells may be quoted (RFC 4180), inside one line. A number that is valid JSON goes over letter by letter.

import { InvalidSettingError } from '../support/index.ts';
import { BadLineError, type LineReader, type PointLine } from './source.ts';

export interface CsvOptions {
  readonly delimiter: string;
  readonly header?: boolean;
  readonly keyColumn?: string;
  readonly ignoreColumns: readonly string[];
}

export interface CsvLayout {
  readonly reader: LineReader;
  /** Whether line 1 was the header. */
  readonly hasHeader: boolean;
}

/** Learns the columns from line 1. @throws InvalidSettingError for a column that is not there. */
export function csvLayout(firstLine: string, options: CsvOptions): CsvLayout {
  const cells = splitCells(firstLine.replace(/^\uFEFF/, ''), options.delimiter);
  const hasHeader = options.header ?? !cells.some(isNumber);
  const columns = hasHeader
    ? cells.map((cell) => cell.trim())
    : cells.map((_, at) => String(at + 1));
  return { reader: new CsvReader(columns, options), hasHeader };
}

class CsvReader implements LineReader {
  readonly features: readonly string[];
  readonly #columns: readonly string[];
  readonly #delimiter: string;
  readonly #keyAt: number;
  readonly #featuresAt: readonly number[];

  constructor(columns: readonly string[], options: CsvOptions) {
    const { delimiter, keyColumn, ignoreColumns } = options;
    this.#columns = columns;
    this.#delimiter = delimiter;
    this.#keyAt = keyColumn === undefined ? -1 : columnAt(columns, keyColumn);
    const left = new Set([this.#keyAt, ...ignoreColumns.map((name) => columnAt(columns, name))]);
    this.#featuresAt = columns.map((_, at) => at).filter((at) => !left.has(at));
    if (this.#featuresAt.length === 0) {
      throw new InvalidSettingError(
        `No column is left for the vector; the columns are ${columns.join(', ')}.`,
      );
    }
    this.features = this.#featuresAt.map((at) => columns[at]!);
  }

  read(text: string): PointLine | undefined {
    if (text.trim() === '') return undefined;
    const cells = splitCells(text, this.#delimiter);
    if (cells.length !== this.#columns.length) {
      throw new BadLineError(`has ${cells.length} columns where ${this.#columns.length} are due`);
    }
    const numbers = this.#featuresAt.map((at) => jsonNumber(cells[at]!, this.#columns[at]!));
    return {
      key: this.#keyAt < 0 ? undefined : cells[this.#keyAt]!,
      value: `{"vector":[${numbers.join(',')}]}`,
    };
  }
}

function columnAt(columns: readonly string[], wanted: string): number {
  const byName = columns.indexOf(wanted);
  if (byName >= 0) return byName;
  const number = /^\d+$/.test(wanted) ? Number(wanted) : 0;
  if (number >= 1 && number <= columns.length) return number - 1;
  throw new InvalidSettingError(
    `There is no column "${wanted}"; the columns are ${columns.join(', ')}, or 1 to ${columns.length}.`,
  );
}

const jsonNumberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function jsonNumber(cell: string, column: string): string {
  const text = cell.trim();
  if (text === '') throw new BadLineError(`has nothing in column ${column}`);
  const value = Number(text);
  if (!Number.isFinite(value) || !isNumber(text)) {
    throw new BadLineError(`has "${text.slice(0, 40)}" in column ${column}, which is no number`);
  }
  return jsonNumberPattern.test(text) ? text : String(value);
}

/** Decimal notation only: Number() would also take hexadecimal and blank cells. */
function isNumber(cell: string): boolean {
  return /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/.test(cell);
}

function splitCells(line: string, delimiter: string): string[] {
  return line.includes('"') ? splitQuoted(line, delimiter) : line.split(delimiter);
}

function splitQuoted(line: string, delimiter: string): string[] {
  const cells: string[] = [];
  for (let at = 0; at <= line.length; at += 1) {
    if (line[at] !== '"') {
      const end = line.indexOf(delimiter, at);
      cells.push(line.slice(at, end < 0 ? line.length : end));
      at = end < 0 ? line.length : end;
      continue;
    }
    const end = closingQuote(line, at);
    cells.push(line.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 1;
    if (at < line.length && line[at] !== delimiter) {
      throw new BadLineError(`has text behind the closing quote of column ${cells.length}`);
    }
  }
  return cells;
}

function closingQuote(line: string, open: number): number {
  for (let at = line.indexOf('"', open + 1); at >= 0; at = line.indexOf('"', at + 2)) {
    if (line[at + 1] !== '"') return at;
  }
  throw new BadLineError('has a quote that is not closed on its line');
}
