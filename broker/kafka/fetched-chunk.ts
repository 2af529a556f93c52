// What one fetch brought of one partition: batches to be gone through in order. Control batches, aborted transactions and
// batches before the asked position give no records, but every whole batch moves the position.

import { AbortedTransactions } from './aborted-transactions.ts';
import { codecs, decompress } from './compression.ts';
import type { FetchedPartition } from './fetch-request.ts';
import {
  type BatchHeader,
  batchBytes,
  crcMatches,
  isAbortMarker,
  type RecordCursor,
  readBatchHeader,
} from './record-batch-decoder.ts';
import { layout } from './record-batch-layout.ts';

/** The stored bytes are not what was written: fetch once more, then give up. */
export class CrcMismatch extends Error {
  override readonly name = 'CrcMismatch';
}

export interface VisibleBatch {
  /** Where reading goes on when the batch is done. */
  readonly nextOffset: number;
  readonly cursor: RecordCursor;
  /** True when the records are a copy (decompressed), not a view on the fetched bytes. */
  readonly isCopy: boolean;
}

const decompressedBytesMax = 64 * 1_048_576;

export class FetchedChunk {
  readonly bytes: Buffer;
  /** One past the last whole batch. */
  readonly nextOffset: number;
  /** The size of the batch that did not fit, 0 when there is none. */
  readonly cutBatchBytes: number;
  /** Says that nobody looks at the bytes any more. */
  readonly release: () => void;
  readonly #aborted: AbortedTransactions;
  readonly #end: number;
  #at = 0;

  constructor({ records, aborted, release }: FetchedPartition, fetchOffset: number) {
    this.bytes = records;
    this.release = release;
    this.#aborted = new AbortedTransactions(aborted);
    let end = 0;
    let nextOffset = fetchOffset;
    for (;;) {
      const header = readBatchHeader(records, end);
      if (header === undefined) break;
      end = header.end;
      nextOffset = Math.max(nextOffset, header.lastOffset + 1);
    }
    this.#end = end;
    this.nextOffset = nextOffset;
    this.cutBatchBytes = end < records.length ? Math.max(batchBytes(records, end), 1) : 0;
  }

  get hasBatches(): boolean {
    return this.#end > 0;
  }

  /**
   * Passes over what gives no records, telling each position, up to a batch that does. Only one to be decompressed is waited for.
   * @throws CrcMismatch, or RangeError when a batch is not what it says.
   */
  nextVisible(
    fromOffset: number,
    passed: (nextOffset: number) => void,
  ): VisibleBatch | Promise<VisibleBatch> | undefined {
    while (this.#at < this.#end) {
      const header = readBatchHeader(this.bytes, this.#at)!;
      if (!crcMatches(this.bytes, header)) {
        throw new CrcMismatch(`the checksum of the batch at offset ${header.baseOffset} is wrong`);
      }
      const hidden = this.#aborted.hides(header, () => isAbortMarker(this.bytes, header));
      const nextOffset = header.lastOffset + 1;
      this.#at = header.end;
      if (hidden || header.recordCount === 0 || nextOffset <= fromOffset) passed(nextOffset);
      else return this.#open(header, nextOffset);
    }
    return undefined;
  }

  #open(header: BatchHeader, nextOffset: number): VisibleBatch | Promise<VisibleBatch> {
    const { baseOffset, baseTimestamp, logAppendTime, recordCount, codec } = header;
    const start = header.start + layout.records;
    const common = { left: recordCount, baseOffset, baseTimestamp, logAppendTime };
    if (codec === codecs.none) {
      const cursor = { bytes: this.bytes, at: start, end: header.end, ...common };
      return { nextOffset, cursor, isCopy: false };
    }
    const packed = this.bytes.subarray(start, header.end);
    return decompress(codec, packed, decompressedBytesMax).then((output) => {
      const bytes = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
      return { nextOffset, cursor: { bytes, at: 0, end: bytes.length, ...common }, isCopy: true };
    });
  }
}
