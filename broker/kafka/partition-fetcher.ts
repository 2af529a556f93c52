// Keeps the readers of one broker fed. Per leader: one Fetch for all partitions that want more, answered at once when
// there is anything, else held by Kafka for a moment. A reader that gets hungry while such a Fetch is held does not
// wait for it: it gets a Fetch of its own on the next lane.

import { FatalError, nextBackoffMs, OffsetOutOfRangeError } from '../../support/index.ts';
import { nameOf } from './by-topic.ts';
import { type Connections, rawVersions } from './connections.ts';
import { decodeFetch, encodeFetch, type FetchedPartition } from './fetch-request.ts';
import { isForbidden, isRefusal, KafkaRefusal, leaderMoved } from './kafka-errors.ts';

/** What a reader shows the fetcher. */
export interface FetchSlot {
  readonly topic: string;
  readonly partition: number;
  /** Changes with every seek: an answer to an older one is dropped. */
  readonly fetchGeneration: number;
  readonly fetchOffset: number;
  readonly fetchBytesMax: number;
  /** False while its queue is full or an error waits to be read. */
  readonly isHungry: boolean;
  onFetched(fetched: FetchedPartition): void;
  onFailed(error: Error): void;
}

const lanesMax = 4;
const holdMsMax = 250;
const answerBytesMax = 16 * 1_048_576;
const pause = { msMin: 20, msMax: 1_000 } as const;

export class PartitionFetcher {
  readonly #connections: Connections;
  readonly #slots = new Set<FetchSlot>();
  /** Being fetched, located or paused. */
  readonly #busy = new Set<FetchSlot>();
  readonly #lanesInUse = new Set<string>();
  readonly #pausesMs = new Map<FetchSlot, number>();
  #wakeIsDue = false;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  add(slot: FetchSlot): void {
    this.#slots.add(slot);
    this.wake();
  }

  remove(slot: FetchSlot): void {
    this.#slots.delete(slot);
    this.#pausesMs.delete(slot);
  }

  /** A reader may have become hungry. Readers that do so together share a Fetch. */
  wake(): void {
    if (this.#wakeIsDue) return;
    this.#wakeIsDue = true;
    queueMicrotask(() => {
      this.#wakeIsDue = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#connections.closed) return;
    for (const [leader, slots] of this.#hungryByLeader()) {
      const lane = this.#freeLane(leader);
      if (lane === undefined) continue;
      const targets = firstOfEachPartition(slots);
      for (const slot of targets) this.#busy.add(slot);
      this.#lanesInUse.add(`${leader} ${lane}`);
      void this.#fetch(leader, lane, targets);
      if (targets.length < slots.length) this.wake();
    }
  }

  #hungryByLeader(): Map<number, FetchSlot[]> {
    const byLeader = new Map<number, FetchSlot[]>();
    for (const slot of this.#slots) {
      if (this.#busy.has(slot) || !slot.isHungry) continue;
      const leader = this.#connections.knownLeader(slot.topic, slot.partition);
      if (leader === undefined) void this.#locate(slot);
      else if (byLeader.has(leader)) byLeader.get(leader)!.push(slot);
      else byLeader.set(leader, [slot]);
    }
    return byLeader;
  }

  #freeLane(leader: number): string | undefined {
    for (let index = 0; index < lanesMax; index += 1) {
      const lane = `fetch-${index}`;
      if (!this.#lanesInUse.has(`${leader} ${lane}`)) return lane;
    }
    return undefined;
  }

  async #locate(slot: FetchSlot): Promise<void> {
    this.#busy.add(slot);
    try {
      await this.#connections.leaderOf(slot.topic, slot.partition);
      this.#ready(slot);
    } catch (error) {
      this.#failed(slot, error);
    }
  }

  async #fetch(leader: number, lane: string, slots: readonly FetchSlot[]): Promise<void> {
    const asked = slots.map((slot) => ({ slot, generation: slot.fetchGeneration }));
    try {
      const body = encodeFetch(
        slots.map((slot) => ({
          topic: slot.topic,
          partition: slot.partition,
          offset: slot.fetchOffset,
          bytesMax: slot.fetchBytesMax,
        })),
        { waitMsMax: holdMsMax, bytesMax: answerBytesMax },
      );
      const node = await this.#connections.node(leader, lane);
      const answer = await node.callRaw('Fetch', rawVersions.Fetch, body, decodeFetch, holdMsMax);
      const fetched = new Map(answer.map((one) => [nameOf(one), one]));
      for (const { slot, generation } of asked) {
        this.#deliver(slot, generation, fetched.get(nameOf(slot)));
      }
    } catch (error) {
      for (const slot of slots) this.#failed(slot, error);
    } finally {
      this.#lanesInUse.delete(`${leader} ${lane}`);
      this.wake();
    }
  }

  #deliver(slot: FetchSlot, generation: number, fetched: FetchedPartition | undefined): void {
    if (slot.fetchGeneration !== generation || fetched === undefined) this.#ready(slot);
    else if (fetched.errorCode !== 0) this.#refused(slot, fetched);
    else {
      this.#pausesMs.delete(slot);
      slot.onFetched(fetched);
      this.#ready(slot);
    }
  }

  #refused(slot: FetchSlot, { errorCode, logStart }: FetchedPartition): void {
    const { topic, partition, fetchOffset: offset } = slot;
    const refusal = new KafkaRefusal(`Fetch of ${nameOf(slot)}`, errorCode);
    if (refusal.type === 'OFFSET_OUT_OF_RANGE') {
      const message = `Offset ${offset} is not in ${nameOf(slot)}, which begins at ${logStart}; seek to one that is.`;
      slot.onFailed(new OffsetOutOfRangeError(message, { topic, partition, offset }));
      this.#ready(slot);
    } else if (isForbidden(refusal)) {
      const message = `Reading ${nameOf(slot)} is not allowed; grant Read on the topic.`;
      slot.onFailed(new FatalError(message, { cause: refusal, topic }));
      this.#ready(slot);
    } else this.#failed(slot, refusal);
  }

  #ready(slot: FetchSlot): void {
    this.#busy.delete(slot);
    this.wake();
  }

  /** A leader that moved or cannot be reached is looked for again, after a pause that grows. */
  #failed(slot: FetchSlot, error: unknown): void {
    if (this.#connections.closed || !this.#slots.has(slot)) {
      this.#busy.delete(slot);
      return;
    }
    this.#connections.forgetLeaders(slot.topic);
    const pauseMs = nextBackoffMs(this.#pausesMs.get(slot) ?? 0, pause);
    this.#pausesMs.set(slot, pauseMs);
    const report = isRefusal(error, leaderMoved) ? 'debug' : 'warn';
    const message = error instanceof Error ? error.message : String(error);
    this.#connections.logger[report](
      { topic: slot.topic, partition: slot.partition, pauseMs, reason: message },
      'A fetch failed; it will be tried again.',
    );
    void this.#connections.clock.sleep(pauseMs).then(() => this.#ready(slot));
  }
}

/** Kafka answers a partition once per request, however often it is asked for. */
function firstOfEachPartition(slots: readonly FetchSlot[]): FetchSlot[] {
  const first = new Map<string, FetchSlot>();
  for (const slot of slots) if (!first.has(nameOf(slot))) first.set(nameOf(slot), slot);
  return [...first.values()];
}
