// Bytes to lines: opens a file or standard input, unpacks gzip when it begins like gzip, and cuts at line feeds.
// A line beyond the limit is not kept in memory: it comes out as undefined, with its number.

import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

export const lineBytesMax = 1024 * 1024;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its end; undefined when it was longer than `lineBytesMax`. */
  readonly text: string | undefined;
}

/** Counts what is read of a file, before unpacking. */
export class ByteCounter {
  bytes = 0;

  async *over(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of pieces) {
      this.bytes += piece.length;
      yield piece;
    }
  }
}

export function fileBytes(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path);
}

/** The same bytes, or what they unpack to when they begin with gzip's magic number. */
export async function* unpacked(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const all = rejoined(head, iterator);
  if (head[0] !== 0x1f || head[1] !== 0x8b) yield* all;
  else yield* pipeline(Readable.from(all), createGunzip(), () => {});
}

async function* rejoined(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterable<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** The lines of each piece together, so that a line costs no promise. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Line[]> {
  const splitter = new LineSplitter();
  for await (const piece of pieces) yield splitter.push(piece);
  yield splitter.end();
}

const lineFeed = 0x0a;

class LineSplitter {
  #number = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  push(piece: Uint8Array): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      this.#hold(piece.subarray(start, end));
      lines.push(this.#take());
      start = end + 1;
    }
    this.#hold(piece.subarray(start));
    return lines;
  }

  /** The last line, when it has no end. */
  end(): Line[] {
    return this.#pendingBytes > 0 ? [this.#take()] : [];
  }

  #hold(part: Uint8Array): void {
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > lineBytesMax) this.#pending = [];
    else if (part.length > 0) this.#pending.push(part);
  }

  #take(): Line {
    this.#number += 1;
    const text = this.#pendingBytes > lineBytesMax ? undefined : lineText(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    return { number: this.#number, text };
  }
}

function lineText(parts: readonly Uint8Array[]): string {
  const only = parts[0];
  const bytes = parts.length === 1 && only !== undefined ? toBuffer(only) : Buffer.concat(parts);
  const text = bytes.toString('utf8');
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
