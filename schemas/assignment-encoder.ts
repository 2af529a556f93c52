// Assignments as JSON, written from columns straight into the arena of a record batch: no object and no value buffer per
// record. Field for field what `Assignment` in messages.ts says. A key is printed as text when it is UTF-8, else as
// "base64:…". The record carries the source record's key (or its position, "partition:offset") and timestamp: the log took
// them once, so it takes them again, which may not be said of an event time from the data.

import { type NativeCodec, nativeCodec } from './codec/native-codec.ts';
import { numberBytesMax, writeFloat32, writeInteger } from './number-text.ts';
import type { PointBatch } from './point-batch.ts';
import { type RecordBatchBuilder, type RecordColumns, recordKey } from './record-batch.ts';

/** Answers to the rows of a PointBatch. */
export interface AssignmentColumns {
  readonly labels: Int32Array;
  readonly distances: Float32Array;
  readonly margins: Float32Array;
  readonly outlierScores: Float32Array;
}

export interface AssigningModel {
  readonly version: string;
  readonly clusterIds: readonly string[];
}

const beforeKey = Buffer.from('{"key":');
const nullText = Buffer.from('null');
const beforeMargin = Buffer.from(',"margin":');
const beforeScore = Buffer.from(',"outlierScore":');
const beforeTimestamp = Buffer.from(',"timestamp":');

/** Field names, and six numbers at their longest. */
const fixedBytesMax = 128 + 6 * numberBytesMax;
/** An escaped control character, of one byte, takes six. */
const escapedBytesMax = 6;
const quote = 0x22;
const backslash = 0x5c;
const closingBrace = 0x7d;

export class AssignmentEncoder {
  readonly #version: string;
  /** By cluster: what stands between the key and the distance. */
  readonly #clusters: readonly Uint8Array[];
  /** The same in one piece. */
  readonly #clusterTexts: Uint8Array;
  readonly #clusterStarts: Int32Array;
  readonly #variableBytes: number;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #codec: NativeCodec | null;

  /** @param codec what does the plain rows; null: TypeScript does them all, and gives the same bytes. */
  constructor({ version, clusterIds }: AssigningModel, codec = nativeCodec()) {
    this.#codec = codec;
    this.#version = JSON.stringify(version);
    this.#clusters = clusterIds.map((id) =>
      Buffer.from(`,"clusterId":${JSON.stringify(id)},"distance":`),
    );
    this.#clusterTexts = Buffer.concat(this.#clusters);
    this.#clusterStarts = startsOf(this.#clusters);
    this.#variableBytes =
      this.#version.length + Math.max(0, ...this.#clusters.map(({ length }) => length));
  }

  /** Appends one assignment for each point. */
  encode(points: PointBatch, answers: AssignmentColumns, out: RecordBatchBuilder): void {
    const { records, n, partition, sourceRows, offsets, timestamps } = points;
    const { labels, distances, margins, outlierScores } = answers;
    const source = Buffer.from(
      `,"modelVersion":${this.#version},"partition":${partition},"offset":`,
    );
    const fixedBytes = fixedBytesMax + this.#variableBytes;
    for (let row = 0; row < n; row++) {
      row = this.#encodePlain(row, points, answers, source, out);
      if (row === n) break;
      const start = this.#begin(points, sourceRows[row]!, offsets[row]!, fixedBytes, out);
      const { bytes } = out;
      let at = this.#writeKey(records, sourceRows[row]!, bytes, start);
      at = writeBytes(bytes, at, this.#clusters[labels[row]!]!);
      at = writeFloat32(bytes, at, distances[row]!);
      at = writeFloat32(bytes, writeBytes(bytes, at, beforeMargin), margins[row]!);
      at = writeFloat32(bytes, writeBytes(bytes, at, beforeScore), outlierScores[row]!);
      at = writeInteger(bytes, writeBytes(bytes, at, source), offsets[row]!);
      at = writeTime(bytes, writeBytes(bytes, at, beforeTimestamp), timestamps[row]!);
      bytes[at++] = closingBrace;
      out.endValue(at - start);
    }
  }

  /** The rows from `row` on that are plain and find room. @returns the first that is not. */
  #encodePlain(
    row: number,
    points: PointBatch,
    { labels, distances, margins, outlierScores }: AssignmentColumns,
    source: Uint8Array,
    out: RecordBatchBuilder,
  ): number {
    const codec = this.#codec;
    if (codec === null) return row;
    const { records, n, partition, sourceRows, offsets, timestamps } = points;
    const { bytes, keyStarts, keyEnds } = records;
    const next = codec.writeAssignments(
      ...([row, n, this.#clusters.length, partition, sourceRows, offsets, timestamps] as const),
      ...([bytes, keyStarts, keyEnds, records.timestamps] as const),
      ...([labels, distances, margins, outlierScores] as const),
      ...([this.#clusterTexts, this.#clusterStarts, source, out.bytes, out.size, out.n] as const),
      ...([out.keyStarts, out.keyEnds, out.valueStarts, out.valueEnds, out.timestamps] as const),
    );
    if (next > row) out.endRows(next - row);
    return next;
  }

  /** @returns where the value goes, with room for it. */
  #begin(
    { records, partition }: PointBatch,
    source: number,
    offset: number,
    fixedBytes: number,
    out: RecordBatchBuilder,
  ): number {
    const keyBytes = records.keyEnds[source]! - records.keyStarts[source]!;
    const timestampMs = records.timestamps[source]!;
    if (records.keyEnds[source]! < 0) {
      return out.beginValue(timestampMs, sourceKey(partition, offset), fixedBytes);
    }
    return out.beginValueOf(records, source, fixedBytes + keyBytes * escapedBytesMax);
  }

  /** @returns where the next byte goes */
  #writeKey(records: RecordColumns, row: number, out: Uint8Array, start: number): number {
    let at = writeBytes(out, start, beforeKey);
    const { bytes, keyStarts, keyEnds } = records;
    const end = keyEnds[row]!;
    if (end < 0) return writeBytes(out, at, nullText);
    const first = at;
    out[at++] = quote;
    for (let i = keyStarts[row]!; i < end; i++) {
      const byte = bytes[i]!;
      if (byte < 0x20 || byte > 0x7e || byte === quote || byte === backslash) {
        return this.#writeOddKey(recordKey(records, row)!, bufferOver(out), first);
      }
      out[at++] = byte;
    }
    out[at++] = quote;
    return at;
  }

  #writeOddKey(key: Uint8Array, out: Buffer, at: number): number {
    return at + out.write(JSON.stringify(keyText(key, this.#utf8)), at, 'utf8');
  }
}

/** Where each text begins in all of them together, and where the last ends. */
function startsOf(texts: readonly Uint8Array[]): Int32Array {
  const starts = new Int32Array(texts.length + 1);
  for (const [i, { length }] of texts.entries()) starts[i + 1] = starts[i]! + length;
  return starts;
}

/** A compacted topic takes no record without a key: an assignment of a point that has none is keyed by where it stood. */
function sourceKey(partition: number, offset: number): Uint8Array {
  return Buffer.from(`${partition}:${offset}`, 'latin1');
}

/** A key for people: as text when it is UTF-8, else "base64:…". */
export function keyText(
  key: Uint8Array,
  utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
): string {
  try {
    return utf8.decode(key);
  } catch {
    return `base64:${Buffer.from(key.buffer, key.byteOffset, key.length).toString('base64')}`;
  }
}

/** An event time may be from before 1970, or unknown. */
function writeTime(out: Uint8Array, at: number, timestampMs: number): number {
  if (timestampMs >= 0) return writeInteger(out, at, timestampMs);
  return at + bufferOver(out).write(String(timestampMs), at, 'latin1');
}

/** A loop: for so few bytes a view and a call cost more. */
function writeBytes(out: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) out[at + i] = bytes[i]!;
  return at + bytes.length;
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
