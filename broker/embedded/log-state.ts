// What the embedded log remembers besides records: topics, committed offsets, the epochs of transactional ids. Kept in
// memory, written with every change, read back when the log is opened. One object decides, in one turn of the event
// loop, what a commit is: its checks, its offsets and its database operations; nothing can come in between.

import type { TopicSpec } from '../../schemas/index.ts';
import {
  type Clock,
  FatalError,
  InvalidSettingError,
  type Logger,
  RecordTooLargeError,
  RetriableError,
} from '../../support/index.ts';
import type {
  Append,
  AppendedAt,
  CommittedOffset,
  TopicDescription,
  TopicPartition,
} from '../broker.ts';
import { LogDatabase, type Operation } from './log-database.ts';
import {
  batchesOf,
  boundsKey,
  boundsOf,
  deletedKey,
  epochKey,
  lastPart,
  nextTopicKey,
  offsetKey,
  offsetsOf,
  topicKey,
  under,
} from './log-keys.ts';
import { type Bounds, PartitionLog } from './partition-log.ts';
import { encodeBatches } from './stored-batch.ts';

export interface Topic {
  readonly name: string;
  readonly number: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly partitions: readonly PartitionLog[];
}

interface StoredTopic {
  readonly number: number;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
}

interface StoredOffset {
  readonly offset: number;
  readonly metadata: string;
}

export interface Commit {
  readonly appends: readonly Append[];
  readonly group?: string;
  readonly offsets?: readonly CommittedOffset[];
}

/** As in Kafka. */
const messageBytesDefault = 1_048_588;
const topicNamePattern = /^[a-zA-Z0-9._-]{1,249}$/;

export class LogState {
  readonly database: LogDatabase;
  readonly #clock: Clock;
  readonly #topics = new Map<string, Topic>();
  readonly #offsets = new Map<string, StoredOffset>();
  readonly #epochs = new Map<string, number>();
  #nextTopic = 1;

  constructor(dataDir: string, clock: Clock, logger: Logger) {
    this.database = new LogDatabase(dataDir, logger);
    this.#clock = clock;
  }

  async open(): Promise<void> {
    await this.database.open();
    const next = await this.database.get(nextTopicKey);
    if (next !== undefined) this.#nextTopic = parsed<number>(next);
    await this.#finishDeletions();
    for (const { key, value } of await this.database.all(under('t/'))) {
      await this.#loadTopic(lastPart(key), parsed<StoredTopic>(value));
    }
    for (const { key, value } of await this.database.all(under('o/'))) {
      this.#offsets.set(key, parsed<StoredOffset>(value));
    }
    for (const { key, value } of await this.database.all(under('w/'))) {
      this.#epochs.set(lastPart(key), parsed<number>(value));
    }
  }

  topics(): Topic[] {
    return [...this.#topics.values()];
  }

  topic(name: string): Topic {
    const topic = this.#topics.get(name);
    if (topic !== undefined) return topic;
    throw new RetriableError(`Topic ${name} does not exist in the embedded log; create it first.`, {
      topic: name,
    });
  }

  partition({ topic, partition }: TopicPartition): PartitionLog {
    const log = this.topic(topic).partitions[partition];
    if (log !== undefined) return log;
    throw new RetriableError(`Topic ${topic} has no partition ${partition}.`, { topic, partition });
  }

  describe(names?: readonly string[]): TopicDescription[] {
    return (names ?? [...this.#topics.keys()])
      .map((name) => this.#topics.get(name))
      .filter((topic) => topic !== undefined)
      .map(({ name, configs, partitions }) => ({
        name,
        partitions: partitions.length,
        replicationFactor: 1,
        configs,
      }));
  }

  create(specs: readonly TopicSpec[]): Promise<void> {
    this.database.assertWritable();
    for (const spec of specs) assertValid(spec);
    const operations: Operation[] = [];
    for (const { name, partitions, configs } of specs) {
      if (this.#topics.has(name)) continue;
      const stored: StoredTopic = { number: this.#nextTopic, partitions, configs };
      this.#nextTopic += 1;
      this.#topics.set(name, this.#topicOf(name, stored, []));
      operations.push(put(topicKey(name), stored));
    }
    if (operations.length > 0) operations.push(put(nextTopicKey, this.#nextTopic));
    return this.database.submit(operations, () => {});
  }

  async delete(names: readonly string[]): Promise<void> {
    this.database.assertWritable();
    const topics = names
      .map((name) => this.#topics.get(name))
      .filter((topic) => topic !== undefined);
    const operations: Operation[] = [];
    for (const { name, number, partitions } of topics) {
      this.#topics.delete(name);
      for (const log of partitions) log.delete();
      operations.push({ type: 'del', key: topicKey(name) }, put(deletedKey(number), name));
      operations.push(...this.#forgetOffsets(name));
    }
    await this.database.submit(operations, () => {});
    await this.#finishDeletions();
  }

  committed(group: string, partitions: readonly TopicPartition[]): CommittedOffset[] {
    return partitions.flatMap(({ topic, partition }) => {
      const found = this.#offsets.get(offsetKey(group, { topic, partition }));
      return found === undefined ? [] : [{ topic, partition, ...found }];
    });
  }

  /** Once it is kept. A commit handed in later stands. */
  async deleteOffsets(group: string): Promise<void> {
    this.database.assertWritable();
    await this.database.settled();
    const { gte, lt } = offsetsOf(group);
    const keys = [...this.#offsets.keys()].filter((key) => key >= gte && key < lt);
    for (const key of keys) this.#offsets.delete(key);
    await this.database.submit(
      keys.map((key) => ({ type: 'del', key })),
      () => {},
    );
  }

  epoch(transactionalId: string): number {
    return this.#epochs.get(transactionalId) ?? -1;
  }

  /** Fences every older writer of the id, at once. @returns the new epoch, once it is kept. */
  async raiseEpoch(transactionalId: string): Promise<number> {
    this.database.assertWritable();
    const epoch = this.epoch(transactionalId) + 1;
    this.#epochs.set(transactionalId, epoch);
    await this.database.submit([put(epochKey(transactionalId), epoch)], () => {});
    return epoch;
  }

  /** One atomic write of records and consumed offsets. */
  async commit({ appends, group = '', offsets = [] }: Commit): Promise<AppendedAt[]> {
    this.database.assertWritable();
    const encoded = appends.map((append) => this.#encode(append));
    const appended = encoded.map(({ log, batches }) => log.append(batches));
    const operations = appended.flatMap((append) => append.operations);
    for (const { offset, metadata, ...partition } of offsets) {
      operations.push(put(offsetKey(group, partition), { offset, metadata }));
    }
    await this.database.submit(operations, () => {
      for (const { apply } of appended) apply();
      for (const { offset, metadata, ...partition } of offsets) {
        this.#offsets.set(offsetKey(group, partition), { offset, metadata });
      }
    });
    return appends.map(({ topic, partition }, i) => ({
      topic,
      partition,
      baseOffset: appended[i]!.baseOffset,
    }));
  }

  #encode({ topic, partition, records }: Append) {
    const log = this.partition({ topic, partition });
    const { configs } = this.topic(topic);
    if (isCompacted(configs)) assertKeyed({ topic, partition, records });
    const configured = configs['max.message.bytes'];
    const bytesMax = configured === undefined ? messageBytesDefault : Number(configured);
    const batches = encodeBatches(records, {
      bytesMax,
      nowMs: this.#clock.nowMs(),
      tooLarge: (row, size) => {
        throw new RecordTooLargeError(
          `A record of ${size} bytes for ${topic}-${partition} does not fit into the ${bytesMax} that the topic takes; raise its max.message.bytes, or send less.`,
          { topic, partition, row, size, limit: bytesMax },
        );
      },
    });
    return { log, batches };
  }

  async #loadTopic(name: string, stored: StoredTopic): Promise<void> {
    const bounds: (Bounds | undefined)[] = [];
    for (let partition = 0; partition < stored.partitions; partition++) {
      const value = await this.database.get(boundsKey(stored.number, partition));
      bounds.push(value === undefined ? undefined : parsed<Bounds>(value));
    }
    this.#topics.set(name, this.#topicOf(name, stored, bounds));
  }

  #topicOf(name: string, stored: StoredTopic, bounds: readonly (Bounds | undefined)[]): Topic {
    const { number, partitions, configs } = stored;
    return {
      name,
      number,
      configs,
      partitions: Array.from({ length: partitions }, (_, partition) => {
        return new PartitionLog(
          { topic: name, partition, number },
          this.database,
          bounds[partition],
        );
      }),
    };
  }

  #forgetOffsets(topic: string): Operation[] {
    const keys = [...this.#offsets.keys()].filter((key) => key.split('/')[2] === topic);
    for (const key of keys) this.#offsets.delete(key);
    return keys.map((key) => ({ type: 'del', key }));
  }

  /** Removes what is left of deleted topics, also of those whose deletion a crash cut short. */
  async #finishDeletions(): Promise<void> {
    for (const { key } of await this.database.all(under('d/'))) {
      await this.database.clear(batchesOf(Number(lastPart(key))));
      await this.database.clear(boundsOf(Number(lastPart(key))));
      await this.database.submit([{ type: 'del', key }], () => {});
    }
  }
}

function assertValid({ name, partitions }: TopicSpec): void {
  if (topicNamePattern.test(name) && Number.isInteger(partitions) && partitions > 0) return;
  throw new InvalidSettingError(
    `A topic needs a name of letters, digits, ".", "_" and "-", and at least one partition; got "${name}" with ${partitions}.`,
    { topic: name, partitions },
  );
}

function isCompacted(configs: Topic['configs']): boolean {
  return policies(configs).includes('compact');
}

/** Kafka's default is "delete". */
export function policies(configs: Topic['configs']): string[] {
  return (configs['cleanup.policy'] ?? 'delete').split(',').map((policy) => policy.trim());
}

/** As Kafka does: better heard in development than in production. */
function assertKeyed({ topic, partition, records: { n, keyEnds } }: Append): void {
  for (let row = 0; row < n; row++) {
    if (keyEnds[row]! >= 0) continue;
    throw new FatalError(
      `Record ${row} of ${n} for ${topic} has no key, which a compacted topic does not accept; nothing was written.`,
      { topic, partition, row },
    );
  }
}

function put(key: string, value: unknown): Operation {
  return { type: 'put', key, value: new TextEncoder().encode(JSON.stringify(value)) };
}

function parsed<T>(value: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(value)) as T;
}
