// A producer id and epoch from Kafka. With a transactional id this fences every older producer of that id and ends
// what it left open, which may take until its transaction is aborted.

import { FatalError, RetriableError } from '../../support/index.ts';
import {
  check,
  concurrentTransactions,
  coordinatorMoved,
  isForbidden,
  isRefusal,
  KafkaRefusal,
  refusalType,
} from './kafka-errors.ts';
import { ProducerSession } from './producer-session.ts';
import { retrying } from './retry.ts';
import type { WriterConnections } from './writer-connections.ts';

export interface InitOptions {
  readonly connections: WriterConnections;
  readonly lane: string;
  readonly transactionalId: string | null;
  readonly transactionTimeoutMs: number;
}

/** Longer than an open transaction of the last owner may live. */
const patienceMs = 15_000;

/** @throws RetriableError when Kafka is not ready for it in time, FatalError when it never will be. */
export async function initProducer(options: InitOptions): Promise<ProducerSession> {
  const { connections, transactionalId, transactionTimeoutMs } = options;
  const { clock } = connections;
  const deadlineMs = clock.monotonicMs() + transactionTimeoutMs + patienceMs;
  const again = (error: unknown) => {
    if (connections.closed) return false;
    if (refusalType(error) === concurrentTransactions) return true;
    if (error instanceof KafkaRefusal && !isRefusal(error, coordinatorMoved)) return false;
    // Asking twice does no harm: the newest epoch counts.
    if (transactionalId !== null) connections.forgetCoordinator('transaction', transactionalId);
    return true;
  };
  try {
    return await retrying({ clock, deadlineMs, again }, () => ask(options));
  } catch (cause) {
    const who = transactionalId ?? 'an idempotent producer';
    if (isForbidden(cause) || refusalType(cause) === 'INVALID_TRANSACTION_TIMEOUT') {
      const reason = (cause as Error).message;
      throw new FatalError(`Kafka does not let ${who} write: ${reason}.`, { cause });
    }
    throw new RetriableError(`Kafka gave ${who} no producer id: ${messageOf(cause)}.`, { cause });
  }
}

async function ask(options: InitOptions): Promise<ProducerSession> {
  const { connections, lane, transactionalId, transactionTimeoutMs } = options;
  const node =
    transactionalId === null
      ? await connections.controller()
      : await connections.coordinator('transaction', transactionalId, lane);
  const answer = await node.call('InitProducerId', {
    transactionalId: transactionalId ?? undefined,
    transactionTimeout: transactionTimeoutMs,
  });
  check('InitProducerId', answer.errorCode);
  return new ProducerSession(Number(answer.producerId), answer.producerEpoch, transactionalId);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
