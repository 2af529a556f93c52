// Kafka's error codes, sorted by what we do next.

import { errorName } from './kafkajs-internals.ts';

/** A definite answer of Kafka: the request was understood and refused. Whatever else fails is unclear. */
export class KafkaRefusal extends Error {
  override readonly name = 'KafkaRefusal';
  readonly type: string;

  constructor(api: string, code: number, detail = '') {
    const type = errorName(code);
    super(`Kafka refused ${api}: ${type}${detail === '' ? '' : ` (${detail})`}`);
    this.type = type;
  }
}

/** @throws KafkaRefusal when the code is not 0. */
export function check(api: string, code: number, detail?: string): void {
  if (code !== 0) throw new KafkaRefusal(api, code, detail);
}

/** Another producer with our transactional id has taken over, or the coordinator gave our transaction up. */
export const fenced: ReadonlySet<string> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_COORDINATOR_FENCED',
]);

export const tooLarge: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
]);

/** The topic will never take this record: without a key where it is compacted, or with a timestamp too far off. */
export const invalidRecord: ReadonlySet<string> = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP']);

/** The coordinator is elsewhere or not ready: nothing was done. Old and new names of the same codes. */
export const coordinatorMoved: ReadonlySet<string> = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

/** The leader is elsewhere or not ready: nothing was done. */
export const leaderMoved: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'NOT_ENOUGH_REPLICAS',
]);

/** The batch may be in the log or not; the same bytes with the same sequence may be sent again. */
export const unclearProduce: ReadonlySet<string> = new Set([
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
]);

export const concurrentTransactions = 'CONCURRENT_TRANSACTIONS';

export function refusalType(error: unknown): string | undefined {
  return error instanceof KafkaRefusal ? error.type : undefined;
}

export function isRefusal(error: unknown, types: ReadonlySet<string>): boolean {
  const type = refusalType(error);
  return type !== undefined && types.has(type);
}

export function isForbidden(error: unknown): boolean {
  return refusalType(error)?.endsWith('AUTHORIZATION_FAILED') ?? false;
}
