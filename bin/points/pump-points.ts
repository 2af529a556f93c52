// Moves points from a source to a sink, no faster than asked, until the source ends or we are told to stop.

import type { SourceChunk } from '../../sources/index.ts';
import type { Clock } from '../../support/index.ts';
import type { PointSink } from './point-sink.ts';

export interface PumpOptions {
  readonly chunks: AsyncIterable<SourceChunk>;
  readonly sink: PointSink;
  readonly pace: Pace;
  readonly signal: AbortSignal;
  /** Called after each delivered chunk. */
  readonly onChunk?: (chunk: SourceChunk) => void;
}

/** @returns whether the source came to its end. */
export async function pumpPoints(options: PumpOptions): Promise<boolean> {
  const { chunks, sink, pace, signal, onChunk } = options;
  for await (const chunk of chunks) {
    if (signal.aborted) return false;
    await sink.send(chunk.records, chunk.nextLine);
    onChunk?.(chunk);
    await pace.after(chunk.records.n);
    if (signal.aborted) return false;
  }
  return true;
}

const chunkLinesMax = 5_000;
/** A paced stream is sent in this many chunks a second, so that it flows instead of gushing. */
const chunksPerSecond = 20;

/** Holds an average rate; time lost in a slow stretch is made up for, but only one second of it. */
export class Pace {
  readonly #rate: number | undefined;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #startedAtMs: number;
  #sent = 0;

  /** @param rate points a second; undefined is as fast as the sink takes them. */
  constructor(rate: number | undefined, clock: Clock, signal: AbortSignal) {
    this.#rate = rate;
    this.#clock = clock;
    this.#signal = signal;
    this.#startedAtMs = clock.monotonicMs();
  }

  /** Lines to take at a time. */
  get chunkLines(): number {
    if (this.#rate === undefined) return chunkLinesMax;
    return Math.max(1, Math.min(chunkLinesMax, Math.ceil(this.#rate / chunksPerSecond)));
  }

  async after(sent: number): Promise<void> {
    if (this.#rate === undefined) return;
    this.#sent += sent;
    const dueAtMs = this.#startedAtMs + (this.#sent / this.#rate) * 1_000;
    const waitMs = dueAtMs - this.#clock.monotonicMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs, this.#signal);
    else if (waitMs < -1_000) this.#startedAtMs -= waitMs + 1_000;
  }
}
