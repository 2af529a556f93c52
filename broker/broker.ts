// The log, as the rest of the product sees it. Two adapters keep this contract: embedded/ (one process, durable, on
// classic-level) and kafka/ (kafkajs and our own columnar codec). testing/broker-contract.ts is run against both.
//
// Reading is always read_committed. Writing is either plain (a batch to a partition, acknowledged by all replicas) or
// transactional (batches to any partitions and consumed offsets, all or nothing, one writer per transactional id).

import type { RecordBatch, RecordColumns, TopicSpec } from '../schemas/index.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicDescription {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface PartitionOffsets {
  readonly partition: number;
  /** The first offset still kept. */
  readonly logStart: number;
  /** One past the last offset a read_committed reader can see (the last stable offset). */
  readonly end: number;
}

export interface CommittedOffset extends TopicPartition {
  /** The next offset to process. */
  readonly offset: number;
  readonly metadata: string;
}

/** Records for one partition. The broker splits them into as many log batches as the topic's size limit asks for. */
export interface Append extends TopicPartition {
  readonly records: RecordColumns;
}

export interface Transaction {
  readonly appends: readonly Append[];
  /** The consumer group whose offsets move with this transaction. */
  readonly group: string;
  readonly offsets: readonly CommittedOffset[];
}

/** What an append got: row i of its records is at baseOffset + i. An append without rows gets −1. */
export interface AppendedAt extends TopicPartition {
  readonly baseOffset: number;
  /**
   * Only when the append was split and other writers' records came between its parts: row i of those from `row` on is
   * at their `baseOffset` + i − row. Never for a partition with one writer.
   */
  readonly splits?: readonly { readonly row: number; readonly baseOffset: number }[];
}

export interface ReadOptions {
  /** At most this many rows. */
  readonly rowsMax: number;
  /** Returns an empty batch (n = 0) when nothing came for this long; 0 returns what is at hand. */
  readonly waitMsMax: number;
}

export interface ReaderOptions {
  /**
   * The bytes of a batch may be written over once the next is read: for who keeps no views of them. Default: false, only
   * the columns are used again.
   */
  readonly reusesMemory?: boolean;
}

/** Reads one partition in offset order, read_committed, with bounded prefetch. One read at a time. */
export interface PartitionReader extends TopicPartition {
  /** The offset the next read begins at. */
  readonly position: number;
  /** The last stable offset as last heard, −1 before the first answer. Lag is end − position. */
  readonly end: number;
  /**
   * The next rows. The batch is valid until the next read or seek. Position moves past aborted, control and compacted
   * offsets too, so that it always reaches `end`.
   * @throws OffsetOutOfRangeError when the position is before the log start or after its end.
   */
  read(options: ReadOptions): Promise<RecordBatch>;
  seek(offset: number): void;
  close(): Promise<void>;
}

/** Plain appends, each acknowledged. Never applied twice by a retry of ours. */
export interface Writer {
  /**
   * @returns the offsets, in the order of `appends`, once acknowledged by the log.
   * @throws RecordTooLargeError, RetriableError (not applied), CommitOutcomeUnknownError (perhaps applied).
   */
  append(appends: readonly Append[]): Promise<AppendedAt[]>;
  close(): Promise<void>;
}

/**
 * What a crash may do. exactly_once_v2: nothing. at_least_once: what was appended since the last offsets stands, and is made
 * again.
 */
export type ProcessingGuarantee = 'exactly_once_v2' | 'at_least_once';

/**
 * The one living writer of a transactional id: opening it fences every older one. Each `commit` is a whole
 * transaction; commits are made one at a time. Where at least once is enough, the log may do with less: appends first, and
 * once they are acknowledged the offsets, by the rights of this process's member of the group.
 */
export interface TransactionalWriter {
  readonly transactionalId: string;
  /**
   * Says that a commit follows, well within the transaction timeout, so that what it needs first can be done meanwhile.
   * Whatever fails is for `commit` to tell. Absent where there is nothing to prepare.
   */
  begin?(): void;
  /**
   * Takes rows that belong to the coming commit and come before its own, so that the log has them by then. They are copied.
   * Whatever fails is for `commit` to tell. Absent where there is nothing to win.
   * @returns what resolves when they are there or never will be; undefined when they are not taken now: then they are still
   *   the caller's, to be offered again or committed.
   */
  send?(appends: readonly Append[]): Promise<void> | undefined;
  /**
   * Appends and offsets, all or nothing; at least once: the offsets only after all of the appends.
   * @returns the offsets of the appends, in their order; not of what was sent ahead.
   * @throws TaskMigratedError (fenced; nothing applied) · RecordTooLargeError (nothing applied) ·
   *   RetriableError (nothing applied) · CommitOutcomeUnknownError (close this writer, open a new one, read the
   *   committed offset: that tells). After any error but the first two the writer must be replaced.
   */
  commit(transaction: Transaction): Promise<AppendedAt[]>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Topics whose partitions of one number belong together: one task reads that partition of all of them. */
export interface TaskGroup {
  readonly id: string;
  readonly topics: readonly string[];
  /** Where the tasks' state is: partition p of each holds that of task p. Without any its tasks are free to move. */
  readonly changelogs?: readonly string[];
}

export interface AssignedTask {
  readonly group: string;
  readonly partition: number;
}

/** What a member has of a task when the tasks are dealt anew. */
export interface HeldTask extends AssignedTask {
  /** It owns the task; otherwise it only has its stores, followed by a replica or left from another time. */
  readonly active: boolean;
  /** How far its stores are, the sum of their next changelog offsets; "end" for a task that runs. */
  readonly offset: number | 'end';
}

/** A copy of a task's stores that follows their changelogs, and computes nothing. */
export interface AssignedReplica extends AssignedTask {
  /** standby: to take over when the owner dies. warm-up: the task moves here once the copy has caught up. */
  readonly kind: 'standby' | 'warm-up';
}

export interface ReplicaRules {
  /** Copies of every task with state, beside its owner. */
  readonly standbys: number;
  /** Most copies made at one time for tasks that are to move. */
  readonly warmUpsMax: number;
  /** A store that lacks no more changelog records than this may become the owner's at once. */
  readonly lagMax: number;
}

export interface JoinOptions {
  readonly group: string;
  /** Stable over restarts of one instance; used to give a returning member its old tasks. */
  readonly instanceId: string;
  /** Members with the same one share a disk, and so their stores; a standby is on another. Default: the instance. */
  readonly processId?: string;
  readonly taskGroups: readonly TaskGroup[];
  readonly sessionTimeoutMs: number;
  /** Default: no standbys, two warm-ups, 10,000 records. */
  readonly replicas?: ReplicaRules;
  /** Asked before every dealing. Default: what was assigned last, running. */
  readonly held?: () => readonly HeldTask[];
  /**
   * Called with the whole new assignment after every rebalance, and with nothing when membership is lost. Advice only:
   * safety comes from fencing.
   */
  readonly onAssignment: (
    tasks: readonly AssignedTask[],
    replicas: readonly AssignedReplica[],
  ) => void;
}

export interface GroupMember {
  readonly memberId: string;
  /** Asks for a new dealing: what this member holds has changed enough to matter. */
  rejoin(): void;
  leave(): Promise<void>;
}

export interface Broker {
  readonly kind: 'embedded' | 'kafka';
  /** @throws DependencyDownError when the log cannot be reached, saying what was tried. */
  connect(): Promise<void>;
  /** Topics that do not exist are absent from the answer. Without names: all topics. */
  describeTopics(names?: readonly string[]): Promise<TopicDescription[]>;
  /** Leaves topics that exist as they are. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  deleteTopics(names: readonly string[]): Promise<void>;
  /** One entry a partition, in partition order. */
  listOffsets(topic: string): Promise<PartitionOffsets[]>;
  /** Committed positions of a group; partitions without one are absent. Waits out a pending transaction's commit. */
  committedOffsets(
    group: string,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]>;
  /**
   * Forgets every committed position of a group. Idempotent; a group that nobody knows has none. A transaction in flight
   * may bring one back: fence its writer first.
   * @throws RefusedError while the group has live members; nothing was deleted then.
   */
  deleteOffsets(group: string): Promise<void>;
  /** Number of live members of a group. */
  groupMembers(group: string): Promise<number>;
  openReader(partition: TopicPartition, from: number, options?: ReaderOptions): PartitionReader;
  openWriter(): Promise<Writer>;
  /** @param guarantee default exactly_once_v2; a log may give more than it is asked for. */
  openTransactionalWriter(
    transactionalId: string,
    guarantee?: ProcessingGuarantee,
  ): Promise<TransactionalWriter>;
  joinGroup(options: JoinOptions): Promise<GroupMember>;
  /** Idempotent. Readers, writers and members are closed with it. */
  close(): Promise<void>;
}
