// A message that is larger than a record may be goes as several records, one behind the other, with one key: its pieces. Whoever
// reads them joins them. A sender writes one message after the other; messages of other keys may lie between its pieces.
//
//   0 0xffffffff (a whole message never begins so) · 4 number of the piece, from 0 · 8 pieces in all · 12 bytes of the message

import { InvalidRecordError } from '../support/index.ts';

const mark = 0xffff_ffff;
const headerBytes = 12;
/** Topics of large records take 16 MiB (topics.ts), the batch around it included. */
const pieceBytesMax = 15 * 1_048_576;

/** The values of the records that carry a message: mostly one, the message itself. */
export function cutMessage(message: Uint8Array, bytesMax = pieceBytesMax): Uint8Array[] {
  if (message.length <= bytesMax) return [message];
  const size = bytesMax - headerBytes;
  const count = Math.ceil(message.length / size);
  return Array.from({ length: count }, (_, number) => {
    const part = message.subarray(number * size, (number + 1) * size);
    const piece = Buffer.alloc(headerBytes + part.length);
    piece.writeUInt32LE(mark, 0);
    piece.writeUInt32LE(number, 4);
    piece.writeUInt32LE(count, 8);
    piece.set(part, headerBytes);
    return piece;
  });
}

export class MessageJoiner {
  /** By key: the pieces of a message so far. */
  readonly #begun = new Map<string, Uint8Array[]>();

  /**
   * The message that ends with this record; undefined while more of it is to come. Pieces whose beginning was not read, and
   * a message that its sender began anew, are dropped.
   *
   * @throws InvalidRecordError for a piece that says nothing about itself
   */
  take(key: Uint8Array | null, value: Uint8Array): Uint8Array | undefined {
    const view = Buffer.from(value.buffer, value.byteOffset, value.length);
    if (value.length < 4 || view.readUInt32LE(0) !== mark) return value;
    if (value.length < headerBytes) throw cutShort(value);
    const [number, count] = [view.readUInt32LE(4), view.readUInt32LE(8)];
    const sender = key === null ? '' : new TextDecoder().decode(key);
    if (number === 0) this.#begun.set(sender, []);
    const pieces = this.#begun.get(sender);
    if (pieces?.length !== number) return undefined;
    // The record's bytes belong to its reader.
    pieces.push(new Uint8Array(value.subarray(headerBytes)));
    if (pieces.length < count) return undefined;
    this.#begun.delete(sender);
    return Buffer.concat(pieces);
  }
}

function cutShort({ length }: Uint8Array): InvalidRecordError {
  return new InvalidRecordError(
    'MEANSTREAM_INVALID_MESSAGE',
    `A piece of a message has ${length} bytes where its header alone has ${headerBytes}.`,
  );
}
