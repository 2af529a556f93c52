// Large bodies reach the socket beside kafkajs's encoder, which would copy them twice into zeroed buffers of the next
// power of two. kafkajs gets a stand-in of eight bytes; where it writes to the socket, the body goes out in its place and
// the length in front is put right.

import type { Socket } from 'node:net';

/** What a stand-in begins with; its number follows. No text and no offset has these bytes in it. */
const mark = 0xf5c8_a1e7;
const standInBytes = 8;
const lengthBytes = 4;

/** The bodies of one connection that wait to be written. */
export class BodiesBeside {
  readonly #waiting = new Map<number, readonly Buffer[]>();
  #last = 0;

  /** @returns what to send in place of the body, which is these parts one after the other. Forget it in the end. */
  standInFor(parts: readonly Buffer[]): Buffer {
    this.#last = (this.#last + 1) >>> 0;
    this.#waiting.set(this.#last, parts);
    const standIn = Buffer.alloc(standInBytes);
    standIn.writeUInt32BE(mark);
    standIn.writeUInt32BE(this.#last, 4);
    return standIn;
  }

  /** Also for a body that was never written. */
  forget(standIn: Buffer): void {
    this.#waiting.delete(standIn.readUInt32BE(4));
  }

  /** From here on this socket writes a body where it is given its stand-in. */
  attach<S extends Pick<Socket, 'write' | 'cork' | 'uncork'>>(socket: S): S {
    const write = socket.write.bind(socket);
    socket.write = (bytes: Uint8Array | string): boolean => {
      const parts = typeof bytes === 'string' ? undefined : this.#taken(bytes);
      if (parts === undefined) return write(bytes);
      const head = Buffer.from(bytes.slice(0, -standInBytes) as Uint8Array);
      const bodyBytes = parts.reduce((sum, { length }) => sum + length, 0);
      head.writeInt32BE(head.length - lengthBytes + bodyBytes);
      socket.cork();
      write(head);
      const flushed = parts.map((part) => write(part)).at(-1) ?? true;
      socket.uncork();
      return flushed;
    };
    return socket;
  }

  /** @throws when nobody waits for the body any more: its stand-in must not be sent. */
  #taken(bytes: Uint8Array): readonly Buffer[] | undefined {
    const at = bytes.length - standInBytes;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (at < 0 || view.readUInt32BE(at) !== mark) return undefined;
    const parts = this.#waiting.get(view.readUInt32BE(at + 4));
    if (parts === undefined) throw new Error('The request was given up before it was sent.');
    return parts;
  }
}
