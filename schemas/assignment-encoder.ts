// Assignments as JSON, written from columns straight into the arena of a record batch: no object and no value buffer per
// record. Field for field what `Assignment` in messages.ts says. A key is printed as text when it is UTF-8, else as
// "base64:…". The record carries the source record's key (or its position, "partition:offset") and timestamp: the log took
// them once, so it takes them again, which may not be said of an event time from the data.

import type { PointBatch } from './point-batch.ts';
import { type RecordBatchBuilder, recordKey } from './record-batch.ts';

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

/** Field names, and seven numbers at their longest. */
const fixedBytesMax = 384;
/** An escaped control character, of one byte, takes six. */
const escapedBytesMax = 6;
const quote = 0x22;
const backslash = 0x5c;

export class AssignmentEncoder {
  readonly #version: string;
  /** By cluster: what stands between the key and the distance. */
  readonly #clusters: readonly string[];
  readonly #variableBytes: number;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor({ version, clusterIds }: AssigningModel) {
    this.#version = JSON.stringify(version);
    this.#clusters = clusterIds.map((id) => `,"clusterId":${JSON.stringify(id)},"distance":`);
    this.#variableBytes =
      this.#version.length + Math.max(0, ...this.#clusters.map((text) => text.length));
  }

  /** Appends one assignment for each point. */
  encode(points: PointBatch, answers: AssignmentColumns, out: RecordBatchBuilder): void {
    const { records, n, partition, sourceRows } = points;
    const { labels, distances, margins, outlierScores } = answers;
    const afterScore = `,"modelVersion":${this.#version},"partition":${partition},"offset":`;
    let arena = out.bytes;
    let text = bufferOver(arena);
    for (let row = 0; row < n; row++) {
      const source = sourceRows[row]!;
      const key = recordKey(records, source);
      const bytesMax = fixedBytesMax + this.#variableBytes + (key?.length ?? 0) * escapedBytesMax;
      const recordedKey = key ?? sourceKey(partition, points.offsets[row]!);
      const start = out.beginValue(records.timestamps[source]!, recordedKey, bytesMax);
      if (arena !== out.bytes) {
        arena = out.bytes;
        text = bufferOver(arena);
      }
      let at = this.#writeKey(key, text, start);
      at += text.write(
        `${this.#clusters[labels[row]!]!}${distances[row]!},"margin":${margins[row]!},"outlierScore":${outlierScores[row]!}${afterScore}${points.offsets[row]!},"timestamp":${points.timestamps[row]!}}`,
        at,
        'latin1',
      );
      out.endValue(at - start);
    }
  }

  /** @returns where the next byte goes */
  #writeKey(key: Uint8Array | null, out: Buffer, start: number): number {
    let at = start + out.write('{"key":', start, 'latin1');
    if (key === null) return at + out.write('null', at, 'latin1');
    const first = at;
    out[at++] = quote;
    for (let i = 0; i < key.length; i++) {
      const byte = key[i]!;
      if (byte < 0x20 || byte > 0x7e || byte === quote || byte === backslash) {
        return this.#writeOddKey(key, out, first);
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

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
