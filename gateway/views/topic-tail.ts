// Follows all partitions of a topic without a group: one reader and one loop a partition. What was read is handed on
// before the position moves, so a failed read is repeated and nothing is left out or given twice.

import type { Broker, PartitionOffsets, PartitionReader } from '../../broker/index.ts';
import type { RecordBatch } from '../../schemas/index.ts';
import {
  type Clock,
  type Logger,
  nextBackoffMs,
  OffsetOutOfRangeError,
} from '../../support/index.ts';

export interface TopicTailOptions {
  readonly broker: Broker;
  readonly topic: string;
  /** Where to begin: the log's start, its last so many offsets, or known positions (else the start). */
  readonly from: 'start' | { readonly last: number } | ReadonlyMap<number, number>;
  readonly rowsMax: number;
  /** Takes in a batch, which is valid until the returned promise resolves. */
  readonly onBatch: (batch: RecordBatch) => void | Promise<void>;
  /** Records between `from` and `to` are gone (retention): the tail goes on at `to`. */
  readonly onSkip?: (partition: number, from: number, to: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const waitMsMax = 500;
const pause = { msMin: 250, msMax: 5_000 };
/** So often the log must say that it ends before our position until we believe that it was made anew. */
const answersAheadMax = 3;

export class TopicTail {
  readonly #options: TopicTailOptions;
  readonly #positions = new Map<number, number>();
  readonly #readers = new Map<number, PartitionReader>();
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>[] = [];
  /** Partitions that have not yet reached the end they had at the start. */
  readonly #behind = new Map<number, number>();
  #caughtUp: () => void = () => {};
  /** Resolves when all that the topic held at the start has been handed on. */
  readonly caughtUp: Promise<void>;
  #failures = 0;
  #answersAhead = 0;

  constructor(options: TopicTailOptions) {
    this.#options = options;
    this.caughtUp = new Promise((resolve) => {
      this.#caughtUp = resolve;
    });
  }

  /** Returns once the starting positions are fixed: whatever is appended afterwards will be handed on. */
  async start(): Promise<void> {
    const { broker, topic } = this.#options;
    for (const bounds of await broker.listOffsets(topic)) {
      const { partition, logStart, end } = bounds;
      const position = Math.max(logStart, this.#wanted(bounds));
      this.#positions.set(partition, position);
      if (position < end) this.#behind.set(partition, end);
    }
    if (this.#behind.size === 0) this.#caughtUp();
    for (const partition of this.#positions.keys()) this.#loops.push(this.#follow(partition));
  }

  get isCaughtUp(): boolean {
    return this.#behind.size === 0;
  }

  /** Reads that failed since the last that did not. */
  get failures(): number {
    return this.#failures;
  }

  /** The next offset of each partition. */
  positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
    this.#readers.clear();
  }

  #wanted({ partition, logStart, end }: PartitionOffsets): number {
    const { from } = this.#options;
    if (from === 'start') return logStart;
    return 'last' in from ? end - from.last : (from.get(partition) ?? logStart);
  }

  async #follow(partition: number): Promise<void> {
    let pauseMs = 0;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#readOnce(partition);
        pauseMs = 0;
        this.#failures = 0;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#failures += 1;
        await this.#recover(partition, error);
        pauseMs = nextBackoffMs(pauseMs, pause);
        await this.#options.clock.sleep(pauseMs, this.#stopping.signal);
      }
    }
  }

  async #readOnce(partition: number): Promise<void> {
    const { rowsMax, onBatch } = this.#options;
    const reader = this.#readerOf(partition);
    const batch = await reader.read({ rowsMax, waitMsMax });
    if (this.#stopping.signal.aborted) return;
    if (batch.n > 0) await onBatch(batch);
    this.#positions.set(partition, batch.nextOffset);
    const target = this.#behind.get(partition);
    if (target === undefined || batch.nextOffset < target) return;
    this.#behind.delete(partition);
    if (this.#behind.size === 0) this.#caughtUp();
  }

  #readerOf(partition: number): PartitionReader {
    const open = this.#readers.get(partition);
    if (open !== undefined) return open;
    const { broker, topic } = this.#options;
    const reader = broker.openReader({ topic, partition }, this.#positions.get(partition)!);
    this.#readers.set(partition, reader);
    return reader;
  }

  async #recover(partition: number, error: unknown): Promise<void> {
    const { topic, logger } = this.#options;
    logger.warn({ topic, partition, err: error }, 'a topic could not be read; trying again');
    const reader = this.#readers.get(partition);
    this.#readers.delete(partition);
    try {
      await reader?.close();
      if (error instanceof OffsetOutOfRangeError) await this.#skip(partition);
    } catch (again) {
      logger.debug({ topic, partition, err: again }, 'the recovery failed too');
    }
  }

  /**
   * Retention overtook the position: go on where the log begins. A position after the end is asked for again, for an
   * answer about the end may be old; when it stays so, the topic was made anew, and all of it is new.
   */
  async #skip(partition: number): Promise<void> {
    const { broker, topic, onSkip } = this.#options;
    const bounds = (await broker.listOffsets(topic)).find((entry) => entry.partition === partition);
    if (bounds === undefined) return;
    const from = this.#positions.get(partition)!;
    const isAhead = from > bounds.end;
    this.#answersAhead = isAhead ? this.#answersAhead + 1 : 0;
    if (isAhead ? this.#answersAhead < answersAheadMax : from >= bounds.logStart) return;
    this.#answersAhead = 0;
    this.#positions.set(partition, bounds.logStart);
    onSkip?.(partition, from, bounds.logStart);
  }
}
