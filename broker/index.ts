// The log: topics, partitions, atomic appends with consumed offsets, groups with fencing. broker.ts is the contract;
// adapters are imported by path (broker/embedded/index.ts, broker/kafka/index.ts), and only bin/ chooses one.
// Knows nothing of the product: no topic name stands in here.

export type {
  Append,
  AppendedAt,
  AssignedTask,
  Broker,
  CommittedOffset,
  GroupMember,
  JoinOptions,
  PartitionOffsets,
  PartitionReader,
  ReadOptions,
  TaskGroup,
  TopicDescription,
  TopicPartition,
  Transaction,
  TransactionalWriter,
  Writer,
} from './broker.ts';
export { partitionOfKey } from './partition-of-key.ts';
