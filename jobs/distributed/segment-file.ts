// The rows of one range on this machine's disk: packed once, read from front to back in every iteration, gone with the worker.
// Blocks of one size, so that a reader needs no index:
//
//   plain       values (rows × dims float32) · weights (rows float32) · CRC-32C of both
//   encrypted   the same bytes under AES-256-GCM · nonce, 12 bytes · tag, 16 bytes
//
// The last block is filled up with zeros. Rows are packed as they came; when the scale is known, the first reading writes each
// block back scaled. Every read is checked; the key never leaves the worker's memory.

import { createCipheriv, createDecipheriv } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import {
  type Kernels,
  type RangeRows,
  type RangeSpace,
  type RowBlock,
  scaleRows,
} from '../../clustering/index.ts';
import { assert, SegmentCorruptedError } from '../../support/index.ts';

/** What the segments of one worker share: they are used one at a time. */
export class SegmentFormat {
  readonly dims: number;
  readonly blockRows: number;
  readonly blockBytes: number;
  readonly kernels: Kernels;
  /** One block as it lies on disk; `values` and `weights` look into it, or into `plain` when it is encrypted. */
  readonly stored: Buffer;
  readonly values: Float32Array;
  readonly weights: Float32Array;
  readonly #payload: Buffer;
  readonly #key: Uint8Array | undefined;
  #sealed = 0;

  /** @param key 32 bytes; then blocks are encrypted. */
  constructor(dims: number, kernels: Kernels, key?: Uint8Array) {
    this.dims = dims;
    this.kernels = kernels;
    this.#key = key;
    this.blockRows = Math.max(512, Math.floor(blockBytesAim / (4 * dims) / 512) * 512);
    const payloadBytes = this.blockRows * (dims + 1) * 4;
    this.blockBytes = payloadBytes + (key === undefined ? crcBytes : nonceBytes + tagBytes);
    this.stored = Buffer.from(new ArrayBuffer(this.blockBytes));
    this.#payload = key === undefined ? this.stored : Buffer.from(new ArrayBuffer(payloadBytes));
    this.#payload = this.#payload.subarray(0, payloadBytes);
    const { buffer } = this.#payload;
    this.values = new Float32Array(buffer, 0, this.blockRows * dims);
    this.weights = new Float32Array(buffer, this.blockRows * dims * 4, this.blockRows);
  }

  /** Makes `stored` of `values` and `weights`. */
  seal(): void {
    const payload = this.#payload;
    if (this.#key === undefined) {
      this.stored.writeUInt32LE(crc32c(payload), payload.length);
      return;
    }
    const nonce = Buffer.alloc(nonceBytes);
    nonce.writeBigUInt64LE(BigInt(++this.#sealed));
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.update(payload).copy(this.stored);
    cipher.final();
    nonce.copy(this.stored, payload.length);
    cipher.getAuthTag().copy(this.stored, payload.length + nonceBytes);
  }

  /** Makes `values` and `weights` of `stored`. @returns false when it is not what was sealed */
  open(): boolean {
    const payload = this.#payload;
    const length = payload.length;
    if (this.#key === undefined) return this.stored.readUInt32LE(length) === crc32c(payload);
    const nonce = this.stored.subarray(length, length + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce);
    decipher.setAuthTag(this.stored.subarray(length + nonceBytes));
    decipher.update(this.stored.subarray(0, length)).copy(payload);
    try {
      decipher.final();
      return true;
    } catch {
      return false;
    }
  }
}

const blockBytesAim = 1_048_576;
const crcBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;

export class SegmentWriter {
  readonly #path: string;
  readonly #format: SegmentFormat;
  readonly #file: number;
  readonly #values: Float32Array;
  readonly #weights: Float32Array;
  #rows = 0;
  #blocks = 0;
  #isWeighted = false;
  #closed = false;

  constructor(path: string, format: SegmentFormat) {
    this.#path = path;
    this.#format = format;
    this.#file = openSync(path, 'wx');
    this.#values = new Float32Array(format.values.length);
    this.#weights = new Float32Array(format.weights.length);
  }

  get bytes(): number {
    return this.#blocks * this.#format.blockBytes;
  }

  /** @param values n × dims @param weights n, or 1 each */
  append(values: Float32Array, weights: Float32Array | undefined, n: number): void {
    const { dims, blockRows } = this.#format;
    for (let from = 0; from < n; ) {
      const at = this.#rows % blockRows;
      const rows = Math.min(n - from, blockRows - at);
      this.#values.set(values.subarray(from * dims, (from + rows) * dims), at * dims);
      if (weights === undefined) this.#weights.fill(1, at, at + rows);
      else this.#take(weights.subarray(from, from + rows), at);
      this.#rows += rows;
      from += rows;
      if (this.#rows % blockRows === 0) this.#write();
    }
  }

  #take(weights: Float32Array, at: number): void {
    this.#weights.set(weights, at);
    this.#isWeighted ||= weights.some((weight) => weight !== 1);
  }

  finish(): SegmentFile {
    const { blockRows, dims } = this.#format;
    const rest = this.#rows % blockRows;
    if (rest > 0) {
      this.#values.fill(0, rest * dims);
      this.#weights.fill(0, rest);
      this.#write();
    }
    this.#close();
    return new SegmentFile(this.#path, this.#format, this.#rows, this.#isWeighted);
  }

  /** Instead of `finish`: nothing stays. */
  abandon(): void {
    this.#close();
    rmSync(this.#path, { force: true });
  }

  #write(): void {
    const { values, weights, stored, blockBytes } = this.#format;
    values.set(this.#values);
    weights.set(this.#weights);
    this.#format.seal();
    writeWhole(this.#file, stored, this.#blocks * blockBytes);
    this.#blocks += 1;
  }

  #close(): void {
    if (!this.#closed) closeSync(this.#file);
    this.#closed = true;
  }
}

export class SegmentFile implements RangeRows {
  readonly n: number;
  readonly #path: string;
  readonly #format: SegmentFormat;
  readonly #isWeighted: boolean;
  /** Blocks from the front that are scaled already. */
  #scaled = 0;

  constructor(path: string, format: SegmentFormat, n: number, isWeighted: boolean) {
    this.n = n;
    this.#path = path;
    this.#format = format;
    this.#isWeighted = isWeighted;
  }

  get bytes(): number {
    return Math.ceil(this.n / this.#format.blockRows) * this.#format.blockBytes;
  }

  *raw(): Generator<RowBlock> {
    assert(this.#scaled === 0, 'rows are read as they came only before they are scaled');
    yield* this.#blocks('r', () => {});
  }

  *scaled(space: RangeSpace): Generator<RowBlock> {
    const { dims, kernels, values, stored, blockBytes } = this.#format;
    const isWhole = this.#scaled * this.#format.blockRows >= this.n;
    yield* this.#blocks(isWhole ? 'r' : 'r+', (block, rows, file) => {
      if (block < this.#scaled) return;
      scaleRows(values, rows, dims, space, kernels, values);
      this.#format.seal();
      writeWhole(file, stored, block * blockBytes);
      this.#scaled = block + 1;
    });
  }

  delete(): void {
    rmSync(this.#path, { force: true });
  }

  *#blocks(
    mode: 'r' | 'r+',
    visit: (block: number, rows: number, file: number) => void,
  ): Generator<RowBlock> {
    const { dims, blockRows, blockBytes, stored, values, weights } = this.#format;
    const file = openSync(this.#path, mode);
    try {
      for (let block = 0, from = 0; from < this.n; block++, from += blockRows) {
        const read = readSync(file, stored, 0, blockBytes, block * blockBytes);
        if (read !== blockBytes || !this.#format.open()) throw this.#corrupted(block);
        const n = Math.min(blockRows, this.n - from);
        visit(block, n, file);
        yield {
          ...{ from, n, values: values.subarray(0, n * dims) },
          weights: this.#isWeighted ? weights.subarray(0, n) : undefined,
        };
      }
    } finally {
      closeSync(file);
    }
  }

  #corrupted(block: number): SegmentCorruptedError {
    return new SegmentCorruptedError(
      `Block ${block} of segment ${this.#path} is not what was written; the range is replayed again. Check the disk when it happens twice.`,
      { path: this.#path, block },
    );
  }
}

function writeWhole(file: number, bytes: Uint8Array, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(file, bytes, written, bytes.length - written, position + written);
  }
}
