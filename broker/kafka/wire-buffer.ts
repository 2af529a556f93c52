// Kafka's primitive types for the few messages we encode and decode ourselves (Fetch, Produce, OffsetFetch).
// A reader checks every length against the bytes that are left.

const twoTo32 = 4_294_967_296;

export class WireWriter {
  #bytes: Buffer;
  #size = 0;

  constructor(capacity = 512) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** What was written, without a copy: the writer is done with it. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  int8(value: number): this {
    this.#size = this.#reserve(1).writeInt8(value, this.#size);
    return this;
  }

  int16(value: number): this {
    this.#size = this.#reserve(2).writeInt16BE(value, this.#size);
    return this;
  }

  int32(value: number): this {
    this.#size = this.#reserve(4).writeInt32BE(value, this.#size);
    return this;
  }

  int64(value: number): this {
    const bytes = this.#reserve(8);
    bytes.writeInt32BE(Math.floor(value / twoTo32), this.#size);
    bytes.writeUInt32BE(value >>> 0, this.#size + 4);
    this.#size += 8;
    return this;
  }

  uvarint(value: number): this {
    const bytes = this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 127) {
      bytes[this.#size++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[this.#size++] = rest;
    return this;
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const length = Buffer.byteLength(value);
    this.int16(length);
    this.#reserve(length).write(value, this.#size);
    this.#size += length;
    return this;
  }

  compactString(value: string): this {
    const length = Buffer.byteLength(value);
    this.uvarint(length + 1);
    this.#reserve(length).write(value, this.#size);
    this.#size += length;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int32(value.length);
    this.#reserve(value.length).set(value, this.#size);
    this.#size += value.length;
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.uvarint(items.length + 1);
    for (const item of items) write(item);
    return this;
  }

  /** The end of a structure in a flexible version: no tagged fields. */
  noTags(): this {
    return this.uvarint(0);
  }

  #reserve(count: number): Buffer {
    const needed = this.#size + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, needed));
      this.#bytes.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  int64(): number {
    const at = this.#advance(8);
    return this.#bytes.readInt32BE(at) * twoTo32 + this.#bytes.readUInt32BE(at + 4);
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#advance(1)]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw new RangeError('a varint of more than 5 bytes');
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#text(length);
  }

  compactString(): string | null {
    const length = this.uvarint() - 1;
    return length < 0 ? null : this.#text(length);
  }

  /** A view, not a copy; null is empty. */
  bytes(): Buffer {
    const length = this.int32();
    if (length <= 0) return this.#bytes.subarray(0, 0);
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read);
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.uvarint() - 1, read);
  }

  skipTags(): void {
    for (let count = this.uvarint(); count > 0; count -= 1) {
      this.uvarint();
      this.#advance(this.uvarint());
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    const items: T[] = [];
    for (let index = 0; index < count; index += 1) items.push(read());
    return items;
  }

  #text(length: number): string {
    const at = this.#advance(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new RangeError(`${count} bytes asked where ${this.#bytes.length - at} are left`);
    }
    this.#at = at + count;
    return at;
  }
}
