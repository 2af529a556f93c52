// The latest assignment of every key: `assignments` as a table, in a local store. How far it was read stands in the
// store's checkpoint, written in the same batch as the data, so a restart goes on where it was.

import { join } from 'node:path';
import type { Broker } from '../../broker/index.ts';
import { type RecordBatch, recordKey, recordValue, topics } from '../../schemas/index.ts';
import {
  type EngineKind,
  openEngine,
  type StateStore,
  type StoreCheckpoint,
  type StoreWrite,
} from '../../state-stores/index.ts';
import type { Clock, Logger } from '../../support/index.ts';
import { TopicTail } from './topic-tail.ts';

export interface AssignmentsViewOptions {
  readonly broker: Broker;
  readonly applicationId: string;
  readonly stateDir: string;
  readonly storeEngine: EngineKind;
  readonly rowsMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const storeName = 'assignments';
const schemaVersion = 1;

export class AssignmentsView {
  readonly #options: AssignmentsViewOptions;
  readonly #positions = new Map<number, number>();
  #store: StateStore | undefined;
  #tail: TopicTail | undefined;
  /** Partitions are read side by side; their batches are written one after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: AssignmentsViewOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { broker, storeEngine, stateDir, rowsMax, clock, logger } = this.#options;
    const dir = join(stateDir, 'gateway', storeName);
    this.#store = await openEngine(storeEngine, { name: storeName, dir, logger });
    await this.#resume(this.#store);
    this.#tail = new TopicTail({
      broker,
      topic: topics.assignments,
      from: this.#positions,
      rowsMax,
      onBatch: (batch) => this.#apply(batch),
      clock,
      logger,
    });
    await this.#tail.start();
  }

  get isCaughtUp(): boolean {
    return this.#tail?.isCaughtUp ?? false;
  }

  get caughtUp(): Promise<void> {
    return this.#tail?.caughtUp ?? Promise.resolve();
  }

  /** The value as it stands in the log: JSON. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#store?.get(key);
  }

  async stop(): Promise<void> {
    await this.#tail?.stop();
    await this.#writing;
    await this.#store?.close();
  }

  /** A store of another application, another layout, or of a log that was made anew is begun again. */
  async #resume(store: StateStore): Promise<void> {
    const checkpoint = await store.checkpoint();
    const bounds = await this.#options.broker.listOffsets(topics.assignments);
    const offsetOf = (partition: number) => checkpoint?.inputOffsets[inputName(partition)] ?? 0;
    const isOurs =
      checkpoint?.applicationId === this.#options.applicationId &&
      checkpoint.schemaVersion === schemaVersion &&
      bounds.every(({ partition, end }) => offsetOf(partition) <= end);
    if (isOurs) {
      for (const { partition } of bounds) this.#positions.set(partition, offsetOf(partition));
    } else if (checkpoint !== undefined) await store.wipe();
  }

  #apply(batch: RecordBatch): Promise<void> {
    const writes = latestOf(batch);
    const { partition, nextOffset } = batch;
    const write = this.#writing.then(async () => {
      await this.#store!.write(writes, this.#checkpoint(partition, nextOffset));
      this.#positions.set(partition, nextOffset);
    });
    // A failed write is repeated by the tail; it must not fail those behind it.
    this.#writing = write.catch(() => {});
    return write;
  }

  #checkpoint(partition: number, nextOffset: number): StoreCheckpoint {
    const { applicationId, clock } = this.#options;
    const inputOffsets: Record<string, number> = {};
    for (const [other, offset] of this.#positions) inputOffsets[inputName(other)] = offset;
    inputOffsets[inputName(partition)] = nextOffset;
    return {
      applicationId,
      taskId: 'gateway',
      storeName,
      schemaVersion,
      changelogOffset: 0,
      inputOffsets,
      writtenAtMs: clock.nowMs(),
    };
  }
}

function inputName(partition: number): string {
  return `${topics.assignments}-${partition}`;
}

const keyless = new TextEncoder().encode('{"key":null');

/** The point had no key: the record's is only there because a compacted topic asks for one, and nobody looks for it. */
function isKeyless(value: Uint8Array | null): boolean {
  return value !== null && keyless.every((byte, i) => value[i] === byte);
}

/** The last write of each key, copied out of the batch. */
function latestOf(batch: RecordBatch): StoreWrite[] {
  const latest = new Map<string, StoreWrite>();
  for (let row = 0; row < batch.n; row += 1) {
    const key = recordKey(batch, row);
    const value = recordValue(batch, row);
    if (key === null || isKeyless(value)) continue;
    const id = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    latest.set(id, { key: key.slice(), value: value?.slice() ?? null });
  }
  return [...latest.values()];
}
