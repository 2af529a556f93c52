// Large answers are read beside kafkajs, which gathers them in pieces of 64 KB and copies these together, each time into new
// memory. Our sockets read into one buffer for ever, and from the second piece of a large answer on straight into memory that is
// used again; kafkajs gets a stand-in of eight bytes in its place. What is small it gets whole, one answer at a time.
//
//   on the wire    length (4) correlation id (4) body (length − 4)
//   to kafkajs     12         correlation id     mark (4) number (4)

import type { Socket } from 'node:net';
import { ReusedMemory } from '../../support/index.ts';

/** What a stand-in begins with; its number follows. No answer of eight bytes has these bytes in it. */
const mark = 0xa5e1_7ec3;
const standInBytes = 8;
const lengthBytes = 4;
const headBytes = 8;
/** More than Kafka sends for any request of ours: a fetch of 16 MiB behind one batch of 64. */
const answerBytesMax = 134_217_728;
const readBytes = 262_144;
/** Smaller answers kafkajs gets whole. */
export const largeBytesMin = 65_536;
/** Kept for the next large answers: what a few fetches of several partitions take. */
const freeBytesMax = 64 * 1_048_576;

/** One answer's body. */
export interface Answer {
  readonly bytes: Buffer;
  /** Says that nobody looks at the bytes any more. To be called once at most, and not at all when in doubt. */
  readonly release: () => void;
}

/** For the large answers of all connections. */
export function answerMemory(): ReusedMemory {
  return new ReusedMemory({ pieceBytesMin: 2 * largeBytesMin, freeBytesMax });
}

/** For `net.connect` and `tls.connect`: where to read to next, and what was read. */
export interface OnRead {
  readonly buffer: () => Buffer;
  readonly callback: (bytes: number, into: Uint8Array) => boolean;
}

/** The answers of one connection, whatever sockets it has one after the other. */
export class AnswersBeside {
  readonly #memory: ReusedMemory;
  readonly #waiting = new Map<number, Answer>();
  #last = 0;

  constructor(memory: ReusedMemory) {
    this.#memory = memory;
  }

  /** Opens a socket whose data are whole answers, or stand-ins for them. */
  socket<S extends Pick<Socket, 'emit' | 'destroy'>>(open: (onread: OnRead) => S): S {
    const stream = new AnswerStream(this.#memory, {
      small: (answer) => socket.emit('data', answer),
      large: (correlationId, answer) =>
        socket.emit('data', this.#standInFor(correlationId, answer)),
    });
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const socket: S = open({
      buffer: () => stream.rest ?? buffer,
      callback: (bytes, into) => {
        const isOwn = into === buffer;
        const fault = isOwn ? stream.take(buffer.subarray(0, bytes)) : stream.filled(bytes);
        if (fault !== undefined) socket.destroy(new Error(fault));
        return true;
      },
    });
    return socket;
  }

  /** What kafkajs was given becomes what was sent. */
  bodyOf(payload: Buffer): Answer {
    if (payload.length !== standInBytes || payload.readUInt32BE(0) !== mark) {
      return { bytes: payload, release: () => {} };
    }
    const number = payload.readUInt32BE(4);
    const answer = this.#waiting.get(number);
    if (answer === undefined) throw new Error('The body of an answer was taken twice.');
    this.#waiting.delete(number);
    return answer;
  }

  #standInFor(correlationId: number, answer: Answer): Buffer {
    this.#last = (this.#last + 1) >>> 0;
    this.#waiting.set(this.#last, answer);
    const standIn = Buffer.alloc(headBytes + standInBytes);
    standIn.writeInt32BE(standIn.length - lengthBytes);
    standIn.writeInt32BE(correlationId, lengthBytes);
    standIn.writeUInt32BE(mark, headBytes);
    standIn.writeUInt32BE(this.#last, headBytes + 4);
    return standIn;
  }
}

interface Takers {
  /** With its length and correlation id. */
  small(answer: Buffer): void;
  large(correlationId: number, answer: Answer): void;
}

/** Cuts what a socket reads into answers. */
class AnswerStream {
  readonly #memory: ReusedMemory;
  readonly #takers: Takers;
  readonly #head = Buffer.alloc(headBytes);
  #headSize = 0;
  /** The answer under way, with length and correlation id when it is small. */
  #target: Buffer<ArrayBuffer> | undefined;
  #isLarge = false;
  #filled = 0;
  #wanted = 0;

  constructor(memory: ReusedMemory, takers: Takers) {
    this.#memory = memory;
    this.#takers = takers;
  }

  /** What is missing of a large answer under way, for the socket to read into. */
  get rest(): Buffer | undefined {
    return this.#isLarge ? this.#target?.subarray(this.#filled, this.#wanted) : undefined;
  }

  /** The socket has read so many bytes into `rest`. */
  filled(bytes: number): undefined {
    this.#filled += bytes;
    if (this.#filled === this.#wanted) this.#finish(this.#target!);
  }

  /** @returns why it cannot go on, if so. */
  take(chunk: Buffer): string | undefined {
    for (let at = 0; at < chunk.length; ) {
      if (this.#target === undefined) at = this.#readHead(chunk, at);
      else {
        const end = Math.min(chunk.length, at + this.#wanted - this.#filled);
        chunk.copy(this.#target, this.#filled, at, end);
        this.#filled += end - at;
        at = end;
      }
      if (at < 0) return 'What was read is no answer of Kafka.';
      if (this.#target !== undefined && this.#filled === this.#wanted) this.#finish(this.#target);
    }
    return undefined;
  }

  /** The length, and of a large answer the correlation id. @returns where it stopped, −1 for what cannot be a length. */
  #readHead(chunk: Buffer, start: number): number {
    let at = this.#fillHead(chunk, start, lengthBytes);
    if (this.#headSize < lengthBytes) return at;
    const length = this.#head.readInt32BE(0);
    if (length < 0 || length > answerBytesMax) return -1;
    if (length < largeBytesMin) {
      this.#begin(Buffer.allocUnsafe(lengthBytes + length), lengthBytes + length);
      this.#filled = this.#head.copy(this.#target!, 0, 0, lengthBytes);
      return at;
    }
    at = this.#fillHead(chunk, at, headBytes);
    if (this.#headSize === headBytes) {
      this.#begin(Buffer.from(this.#memory.take(length - lengthBytes)), length - lengthBytes);
      this.#isLarge = true;
    }
    return at;
  }

  #fillHead(chunk: Buffer, start: number, size: number): number {
    let at = start;
    while (at < chunk.length && this.#headSize < size) this.#head[this.#headSize++] = chunk[at++]!;
    return at;
  }

  #begin(target: Buffer<ArrayBuffer>, wanted: number): void {
    this.#target = target;
    this.#wanted = wanted;
    this.#filled = 0;
    this.#isLarge = false;
    this.#headSize = 0;
  }

  #finish(target: Buffer<ArrayBuffer>): void {
    this.#target = undefined;
    if (!this.#isLarge) {
      this.#takers.small(target);
      return;
    }
    const release = () => this.#memory.give(target.buffer);
    const bytes = target.subarray(0, this.#wanted);
    this.#takers.large(this.#head.readInt32BE(lengthBytes), { bytes, release });
  }
}
