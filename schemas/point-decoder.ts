// From records of `points` to columns: a PointBatch of what is good, and a list of what is not, with the reason. The form
// of a record is said by its content-type header, else by the setting `points.format`; it is never guessed from bytes.

import { InvalidRecordError } from '../support/index.ts';
import { type NativeCodec, nativeCodec } from './codec/native-codec.ts';
import type { PointBatch } from './point-batch.ts';
import { excerpt, type PointFault, pointFault } from './point-faults.ts';
import { PointReader, type PointShape, pointDimsMax } from './point-reader.ts';
import { type RecordBatch, recordHeaders } from './record-batch.ts';

export type PointFormat = 'json' | 'float32';

export const pointContentTypes: Readonly<Record<string, PointFormat>> = {
  'application/json': 'json',
  'application/vnd.meanstream.float32': 'float32',
};

export interface PointDecoderOptions {
  readonly format: PointFormat;
  readonly bytesMax: number;
  /** How far a point's timestamp may be ahead of its record's. Infinity: as far as it likes. */
  readonly timestampSkewMsMax: number;
}

export interface RejectedPoint {
  /** In the record batch. */
  readonly row: number;
  readonly code: PointFault;
  /** A sentence for people: what was found, and the remedy. */
  readonly message: string;
}

export interface DecodedPoints {
  readonly points: PointBatch;
  readonly rejected: readonly RejectedPoint[];
}

/** A call of machine code, and the odd row that it reads in vain, cost about as much as a row in TypeScript. */
const rowsPerCallWanted = 4;
/** Where rows are odd one after the other, machine code is asked ever more rarely. */
const pauseRowsMax = 255;

/** Columns grow to the largest batch and are reused: a decoded batch is valid until the next `decode`. */
export class PointDecoder {
  readonly #options: PointDecoderOptions;
  readonly #reader = new PointReader();
  #values: Float32Array = new Float32Array(0);
  #weights = new Float32Array(0);
  #timestamps = new Float64Array(0);
  #offsets = new Float64Array(0);
  #sourceRows = new Int32Array(0);
  readonly #codec: NativeCodec | null;

  /** @param codec what reads the plain rows; null: TypeScript reads them all, and gives the same. */
  constructor(options: PointDecoderOptions, codec = nativeCodec()) {
    this.#options = options;
    this.#codec = codec;
  }

  /** @param shape of the points; where it is not known, the first valid one of the batch fixes it for the batch. */
  decode(records: RecordBatch, shape: PointShape): DecodedPoints {
    const rejected: RejectedPoint[] = [];
    this.#reserveRows(records.n);
    this.#reader.expect(shape);
    let known = shape;
    let n = 0;
    let pause = 0;
    let rowToAsk = 0;
    for (let row = 0; row < records.n; row++) {
      if (row === rowToAsk) {
        const plain = this.#decodePlain(records, row, n, known);
        n += plain;
        row += plain;
        if (row === records.n) break;
        pause = plain < rowsPerCallWanted ? Math.min(2 * pause + 1, pauseRowsMax) : 0;
        rowToAsk = row + 1 + pause;
      }
      this.#reserveValues(n * known.dims + this.#reader.width, records.n * known.dims);
      try {
        this.#decodeRow(records, row, n, n * known.dims);
      } catch (error) {
        if (!(error instanceof InvalidRecordError)) throw error;
        rejected.push({ row, code: error.code as PointFault, message: error.message });
        continue;
      }
      if (known.dims === 0) {
        known = this.#reader.shape;
        this.#reader.expect(known);
      }
      n += 1;
    }
    return { points: this.#batch(records, n, known), rejected };
  }

  /** Reads rows of finite numbers and nothing else, from `row` up to one that is odd. @returns how many. */
  #decodePlain(records: RecordBatch, row: number, n: number, shape: PointShape): number {
    const { dims, metric, missing = 'reject' } = shape;
    if (this.#codec === null || dims === 0 || dims > pointDimsMax) return 0;
    if (metric === 'cosine' || missing !== 'reject' || records.headers.size > 0) return 0;
    this.#reserveValues((n + records.n - row) * dims, records.n * dims);
    const { bytes, valueStarts, valueEnds, timestamps, offsets } = records;
    const { readFloat32Points, readJsonPoints } = this.#codec;
    const readPoints = this.#options.format === 'json' ? readJsonPoints : readFloat32Points;
    const bytesMax = Math.min(this.#options.bytesMax, 2 ** 31 - 1);
    const next = readPoints(
      ...([bytesMax, row, records.n, n, dims, bytes, valueStarts, valueEnds] as const),
      ...([timestamps, offsets, this.#values, this.#weights, this.#timestamps] as const),
      ...([this.#offsets, this.#sourceRows] as const),
    );
    return next - row;
  }

  #decodeRow(records: RecordBatch, row: number, n: number, base: number): void {
    const { bytes, valueStarts, valueEnds, timestamps, offsets } = records;
    const reader = this.#reader;
    const start = valueStarts[row]!;
    const end = valueEnds[row]!;
    this.#checkSize(end < 0 ? -1 : end - start);
    if (this.#formatOf(records, row) === 'json') reader.read(bytes, start, end, this.#values, base);
    else reader.readFloat32(bytes, start, end, this.#values, base);
    const recordMs = timestamps[row]!;
    this.#weights[n] = reader.weight;
    this.#timestamps[n] = this.#eventTime(reader.timestampMs, recordMs);
    this.#offsets[n] = offsets[row]!;
    this.#sourceRows[n] = row;
  }

  #checkSize(size: number): void {
    const { bytesMax } = this.#options;
    if (size < 0) {
      throw pointFault('null_value', 'The value is null; points cannot be deleted, send a point.');
    }
    if (size === 0) throw pointFault('empty_value', 'The value is empty; send a point.');
    if (size > bytesMax) {
      throw pointFault(
        'too_large',
        `The value has ${size} bytes, more than ${bytesMax}; send a smaller point or raise points.bytes.max.`,
      );
    }
  }

  #formatOf(records: RecordBatch, row: number): PointFormat {
    if (records.headers.size === 0) return this.#options.format;
    const header = recordHeaders(records, row).findLast(
      ({ key }) => key.toLowerCase() === 'content-type',
    );
    if (header === undefined) return this.#options.format;
    const text = Buffer.from(header.value ?? []).toString('utf8');
    const format = pointContentTypes[text.split(';', 1)[0]!.trim().toLowerCase()];
    if (format !== undefined) return format;
    throw pointFault(
      'unknown_content_type',
      `The content-type ${excerpt(text)} is not known; send ${Object.keys(pointContentTypes).join(' or ')}, or no such header.`,
    );
  }

  #eventTime(pointMs: number | null, recordMs: number): number {
    if (pointMs === null) return recordMs;
    const { timestampSkewMsMax } = this.#options;
    if (recordMs < 0 || pointMs - recordMs <= timestampSkewMsMax) return pointMs;
    throw pointFault(
      'timestamp_in_future',
      `"timestamp" is ${pointMs - recordMs} ms after the record's, more than ${timestampSkewMsMax}; set the producer's clock or raise points.timestamp.ahead.max.ms.`,
      '/timestamp',
    );
  }

  #batch(records: RecordBatch, n: number, { dims, features }: PointShape): PointBatch {
    return {
      partition: records.partition,
      n,
      dims,
      features,
      values: this.#values,
      weights: this.#weights,
      timestamps: this.#timestamps,
      offsets: this.#offsets,
      sourceRows: this.#sourceRows,
      records,
      fromOffset: records.n > 0 ? records.offsets[0]! : records.nextOffset,
      nextOffset: records.nextOffset,
    };
  }

  #reserveRows(rows: number): void {
    if (rows <= this.#weights.length) return;
    const capacity = Math.max(rows, this.#weights.length * 2, 256);
    this.#weights = new Float32Array(capacity);
    this.#timestamps = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#sourceRows = new Int32Array(capacity);
  }

  #reserveValues(length: number, likely: number): void {
    if (length <= this.#values.length) return;
    const before = this.#values;
    this.#values = new Float32Array(Math.max(length, likely, before.length * 2, pointDimsMax));
    this.#values.set(before);
  }
}
