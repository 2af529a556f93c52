// What a worker has of a job: its ranges on disk, and what it keeps of them in memory. Limits are kept before they are passed.

import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  CentroidViews,
  type Kernels,
  RangeWork,
  stateBytesPerRow,
} from '../../clustering/index.ts';
import { InvalidSettingError } from '../../support/index.ts';
import { type SegmentFile, SegmentFormat, SegmentWriter } from './segment-file.ts';

/** Some rows as they came; the memory is used again for the next ones. */
export interface ReplayedRows {
  /** n × dims */
  readonly values: Float32Array;
  readonly weights: Float32Array | undefined;
  readonly n: number;
  /** Records they were read from. */
  readonly records: number;
}

export interface HolderOptions {
  /** Of this worker's own; deleted with it. */
  readonly folder: string;
  readonly dims: number;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly diskBytesMax: number;
  readonly memoryBytesMax: number;
  readonly encrypted: boolean;
}

interface HeldRange {
  readonly segment: SegmentFile;
  readonly work: RangeWork;
}

export class RangeHolder {
  readonly #options: HolderOptions;
  readonly #format: SegmentFormat;
  readonly #views: CentroidViews;
  readonly #ranges = new Map<number, HeldRange>();
  #packed = 0;

  constructor(options: HolderOptions) {
    const { folder, dims, kernels, encrypted } = options;
    this.#options = options;
    this.#format = new SegmentFormat(dims, kernels, encrypted ? randomBytes(32) : undefined);
    this.#views = new CentroidViews(kernels, dims, () => this.#rows);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Undefined before it is packed. */
  work(range: number): RangeWork | undefined {
    return this.#ranges.get(range)?.work;
  }

  /** Writes a range's rows to disk. @returns what answers for it @throws InvalidSettingError when it would pass a limit */
  async pack(range: number, rows: AsyncIterable<ReplayedRows>): Promise<RangeWork> {
    this.drop(range);
    const { folder, dims, seed, kernels } = this.#options;
    this.#packed += 1;
    const writer = new SegmentWriter(
      join(folder, `${range}-${this.#packed}.segment`),
      this.#format,
    );
    let count = 0;
    let segment: SegmentFile;
    try {
      for await (const { values, weights, n } of rows) {
        count += n;
        this.#keepLimits(writer.bytes + this.#format.blockBytes, count);
        writer.append(values, weights, n);
      }
      segment = writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    }
    const options = { range, dims, seed, kernels, views: this.#views };
    const work = new RangeWork(segment, options);
    this.#ranges.set(range, { segment, work });
    return work;
  }

  /** Forgets a range. Nothing happens when it has none. */
  drop(range: number): void {
    this.#ranges.get(range)?.segment.delete();
    this.#ranges.delete(range);
  }

  close(): void {
    this.#ranges.clear();
    rmSync(this.#options.folder, { recursive: true, force: true });
  }

  get #rows(): number {
    let rows = 0;
    for (const { segment } of this.#ranges.values()) rows += segment.n;
    return rows;
  }

  #keepLimits(moreBytes: number, moreRows: number): void {
    const { diskBytesMax, memoryBytesMax } = this.#options;
    let disk = moreBytes;
    for (const { segment } of this.#ranges.values()) disk += segment.bytes;
    const memory = (this.#rows + moreRows) * stateBytesPerRow;
    if (disk > diskBytesMax) throw exceeded('retrain.disk.bytes.max', diskBytesMax, disk);
    if (memory > memoryBytesMax) throw exceeded('retrain.memory.bytes.max', memoryBytesMax, memory);
  }
}

function exceeded(setting: string, limit: number, needed: number): InvalidSettingError {
  return new InvalidSettingError(
    `${setting} is ${limit}, but this worker's ranges need ${needed} bytes or more. Raise it, or start more workers ` +
      '(`meanstream retrain-worker`): each then has fewer ranges.',
    { setting, limit, needed },
  );
}
