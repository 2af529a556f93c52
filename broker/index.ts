// The log: topics, partitions, atomic appends with consumed offsets, groups with fencing. broker.ts is the contract;
// adapters are imported by path (broker/embedded/index.ts, broker/kafka/index.ts), and only bin/ chooses one.
// Knows nothing of the product: no topic name stands in here.

export { appendOnce } from './append-once.ts';
export type {
  Append,
  AppendedAt,
  AssignedReplica,
  AssignedTask,
  Broker,
  CommittedOffset,
  GroupMember,
  HeldTask,
  JoinOptions,
  PartitionOffsets,
  PartitionReader,
  ProcessingGuarantee,
  ReaderOptions,
  ReadOptions,
  ReplicaRules,
  TaskGroup,
  TopicDescription,
  TopicPartition,
  Transaction,
  TransactionalWriter,
  Writer,
} from './broker.ts';
export { GroupCoordinator } from './group-coordinator.ts';
export { partitionOfKey } from './partition-of-key.ts';
