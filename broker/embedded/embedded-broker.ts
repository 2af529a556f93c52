// The embedded log: the whole Broker contract in one process and one folder, on LevelDB. For development, tests and
// small single-node use. What it acknowledges survives a kill -9; a power cut may take the newest commits, each whole.
//
//   writers ──► LogState (checks, offsets) ──► LogDatabase (one queue, one atomic write a commit) ──► LevelDB
//   readers ◄── PartitionLog (newest batches in memory, the rest from LevelDB) ◄──────────────────────┘

import type { TopicSpec } from '../../schemas/index.ts';
import { type Clock, DependencyDownError, type Logger, RefusedError } from '../../support/index.ts';
import type {
  Broker,
  CommittedOffset,
  GroupMember,
  JoinOptions,
  PartitionOffsets,
  PartitionReader,
  TopicDescription,
  TopicPartition,
  TransactionalWriter,
  Writer,
} from '../broker.ts';
import { GroupCoordinator } from '../group-coordinator.ts';
import { applyCompaction } from './compaction.ts';
import { EmbeddedReader } from './embedded-reader.ts';
import { EmbeddedTransactionalWriter, EmbeddedWriter } from './embedded-writer.ts';
import { LogState, policies } from './log-state.ts';
import { applyRetention } from './retention.ts';

export interface EmbeddedBrokerOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often retention and compaction look at the topics. */
  readonly maintenanceIntervalMs?: number;
}

export interface MaintenanceOptions {
  /** Compacts also what is too little to be worth it. */
  readonly compactAll: boolean;
}

const maintenanceIntervalMsDefault = 30_000;
/** As Kafka's min.cleanable.dirty.ratio; and less than this is not worth a pass. */
const dirtyRatioMin = 0.5;
const dirtyBytesMin = 1_048_576;

export class EmbeddedBroker implements Broker {
  readonly kind = 'embedded';
  readonly #options: EmbeddedBrokerOptions;
  readonly #state: LogState;
  readonly #groups: GroupCoordinator;
  readonly #open = new Set<{ close(): Promise<void> }>();
  #connecting: Promise<void> | undefined;
  #connected = false;
  #closing: Promise<void> | undefined;
  #endTicks: () => void = () => {};
  #maintaining: Promise<void> = Promise.resolve();
  #rounds = 0;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#state = new LogState(options.dataDir, options.clock, options.logger);
    this.#groups = new GroupCoordinator((name) => {
      const topic = this.#state.topics().find((it) => it.name === name);
      return topic?.partitions ?? [];
    });
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    return this.#live().describe(names);
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    await this.#live().create(specs);
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    await this.#live().delete(names);
  }

  async listOffsets(topic: string): Promise<PartitionOffsets[]> {
    return this.#live()
      .topic(topic)
      .partitions.map(({ partition, logStart, end }) => ({ partition, logStart, end }));
  }

  async committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    await this.#live().database.settled();
    return this.#state.committed(group, partitions);
  }

  async deleteOffsets(group: string): Promise<void> {
    const members = this.#groups.memberCount(group);
    if (members > 0) {
      throw new RefusedError(
        `The offsets of group ${group} are not deleted while it has live members (${members}); stop them first.`,
        { group, members },
      );
    }
    await this.#live().deleteOffsets(group);
  }

  async groupMembers(group: string): Promise<number> {
    return this.#groups.memberCount(group);
  }

  openReader(partition: TopicPartition, from: number): PartitionReader {
    const reader: EmbeddedReader = new EmbeddedReader({
      partition,
      from,
      clock: this.#options.clock,
      find: (asked) => this.#live().partition(asked),
      onClose: () => this.#open.delete(reader),
    });
    this.#open.add(reader);
    return reader;
  }

  async openWriter(): Promise<Writer> {
    return this.#keep(new EmbeddedWriter(this.#live(), (closed) => this.#open.delete(closed)));
  }

  async openTransactionalWriter(transactionalId: string): Promise<TransactionalWriter> {
    const epoch = await this.#live().raiseEpoch(transactionalId);
    return this.#keep(
      new EmbeddedTransactionalWriter(transactionalId, epoch, this.#state, (closed) =>
        this.#open.delete(closed),
      ),
    );
  }

  async joinGroup(options: JoinOptions): Promise<GroupMember> {
    this.#live();
    return this.#groups.join(options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** One round of retention and compaction, as on every tick. One at a time; waits for the one under way. */
  maintain(options: MaintenanceOptions = { compactAll: false }): Promise<void> {
    this.#rounds += 1;
    const round = this.#maintaining.then(() => this.#maintain(options));
    this.#maintaining = round
      .catch(() => {})
      .then(() => {
        this.#rounds -= 1;
      });
    return round;
  }

  async #connect(): Promise<void> {
    const { dataDir, clock, logger, maintenanceIntervalMs } = this.#options;
    await this.#state.open();
    this.#connected = true;
    logger.info(
      { dataDir, topics: this.#state.topics().length },
      'embedded log open: durable, for one process; use Kafka to run on several machines',
    );
    this.#endTicks = clock.every(maintenanceIntervalMs ?? maintenanceIntervalMsDefault, () => {
      if (this.#rounds > 0) return;
      this.maintain().catch((error: unknown) => {
        logger.error({ err: error }, 'retention and compaction of the embedded log failed');
      });
    });
  }

  async #close(): Promise<void> {
    if (this.#connecting === undefined) return;
    await this.#connecting.catch(() => {});
    if (!this.#connected) return;
    this.#endTicks();
    this.#groups.close();
    for (const open of [...this.#open]) await open.close();
    await this.#maintaining;
    await this.#state.database.close();
  }

  async #maintain({ compactAll }: MaintenanceOptions): Promise<void> {
    const least = compactAll
      ? { dirtyRatioMin: 0, dirtyBytesMin: 0 }
      : { dirtyRatioMin, dirtyBytesMin };
    const nowMs = this.#options.clock.nowMs();
    for (const topic of this.#state.topics()) {
      if (this.#closing !== undefined) return;
      const policy = policies(topic.configs);
      if (policy.includes('delete')) await applyRetention(this.#state, topic, nowMs);
      if (policy.includes('compact')) await applyCompaction(this.#state, topic, nowMs, least);
    }
  }

  #keep<T extends { close(): Promise<void> }>(opened: T): T {
    this.#open.add(opened);
    return opened;
  }

  /** @throws DependencyDownError before `connect` and after `close`. */
  #live(): LogState {
    if (this.#connected && this.#closing === undefined) return this.#state;
    const { dataDir } = this.#options;
    throw new DependencyDownError(`The embedded log in ${dataDir} is not open.`, { dataDir });
  }
}
