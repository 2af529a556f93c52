// Brings signed batches into the log: round by round, one request per leader, the same bytes again where that is safe.
// What comes back is either every base offset, or a failure that says whether anything may have been kept.

import { nextBackoffMs } from '../../support/index.ts';
import type { Append, AppendedAt } from '../broker.ts';
import { nameOf } from './by-topic.ts';
import { rawVersions } from './connections.ts';
import { isRefusal, KafkaRefusal, leaderMoved, unclearProduce } from './kafka-errors.ts';
import { decodeProduce, encodeProduce } from './produce-request.ts';
import type { ProducerSession } from './producer-session.ts';
import { roundsOf, type SignedBatch } from './sign-batches.ts';
import type { WriterConnections } from './writer-connections.ts';

export interface SendOptions {
  readonly connections: WriterConnections;
  readonly lane: string;
  readonly session: ProducerSession;
  /** On the monotonic clock: no new attempt after it. */
  readonly deadlineMs: number;
  /** True: after a lost answer the same bytes are sent again; false: that ends it. */
  readonly repeatUnclear: boolean;
}

export class ProduceFailed extends Error {
  override readonly name = 'ProduceFailed';
  /** True when at least one batch is in the log or may be. */
  readonly isPerhapsKept: boolean;

  constructor(cause: unknown, isPerhapsKept: boolean) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.isPerhapsKept = isPerhapsKept;
  }
}

const replicationMsMax = 10_000;
const requestBytesMax = 32 * 1_048_576;
const pause = { msMin: 5, msMax: 100 };

/** @returns the base offset of each batch. @throws ProduceFailed */
export async function sendBatches(
  options: SendOptions,
  batches: readonly SignedBatch[],
): Promise<Map<SignedBatch, number>> {
  const offsets = new Map<SignedBatch, number>();
  for (const round of roundsOf(batches)) await sendRound(options, round, offsets);
  return offsets;
}

/** What each append got. Where another writer's records came between two of its batches, the rows after say so. */
export function appendedAt(
  appends: readonly Append[],
  offsets: ReadonlyMap<SignedBatch, number>,
): AppendedAt[] {
  const starts: { row: number; baseOffset: number }[][] = appends.map(() => []);
  for (const [{ append, firstRow }, baseOffset] of offsets) {
    const of = starts[append]!;
    const last = of.at(-1);
    const expected = last === undefined ? -1 : last.baseOffset + firstRow - last.row;
    if (baseOffset !== expected) of.push({ row: firstRow, baseOffset });
  }
  return appends.map(({ topic, partition }, append) => {
    const [first, ...splits] = starts[append]!;
    const at = { topic, partition, baseOffset: first?.baseOffset ?? -1 };
    return splits.length === 0 ? at : { ...at, splits };
  });
}

async function sendRound(
  options: SendOptions,
  round: readonly SignedBatch[],
  offsets: Map<SignedBatch, number>,
): Promise<void> {
  const { connections, session, deadlineMs, repeatUnclear } = options;
  const unclear = new Set<SignedBatch>();
  let pending = [...round];
  for (let pauseMs = pause.msMin; ; pauseMs = nextBackoffMs(pauseMs, pause)) {
    const outcomes = await sendOnce(options, pending);
    let failure: unknown;
    const again: SignedBatch[] = [];
    for (const [batch, outcome] of outcomes) {
      if (typeof outcome === 'number') {
        offsets.set(batch, outcome);
        session.advance(batch, batch.rows);
        unclear.delete(batch);
        continue;
      }
      if (isUnclear(outcome)) unclear.add(batch);
      if (mayRepeat(outcome, repeatUnclear)) again.push(batch);
      failure = mayRepeat(outcome, repeatUnclear) ? failure : outcome;
    }
    if (failure === undefined && again.length === 0) return;
    const isLate = connections.clock.monotonicMs() + pauseMs > deadlineMs || connections.closed;
    if (failure !== undefined || isLate) {
      const cause = failure ?? outcomes.get(again[0]!);
      throw new ProduceFailed(cause, offsets.size > 0 || unclear.size > 0);
    }
    for (const batch of again) connections.forgetLeaders(batch.topic);
    pending = again;
    await connections.clock.sleep(pauseMs);
  }
}

/** Anything but a definite refusal: the answer was lost, or says that Kafka does not know either. */
function isUnclear(outcome: unknown): boolean {
  if (outcome instanceof NotSent) return false;
  if (!(outcome instanceof KafkaRefusal)) return true;
  return isRefusal(outcome, unclearProduce) || outcome.type === 'DUPLICATE_SEQUENCE_NUMBER';
}

function mayRepeat(outcome: unknown, repeatUnclear: boolean): boolean {
  if (outcome instanceof NotSent || isRefusal(outcome, leaderMoved)) return true;
  if (outcome instanceof KafkaRefusal && !isRefusal(outcome, unclearProduce)) return false;
  return repeatUnclear;
}

/** The leader could not be found or reached: nothing left this process. */
class NotSent extends Error {
  override readonly name = 'NotSent';
}

async function sendOnce(
  options: SendOptions,
  batches: readonly SignedBatch[],
): Promise<Map<SignedBatch, unknown>> {
  const outcomes = new Map<SignedBatch, unknown>();
  const requests = await requestsByLeader(options, batches, outcomes);
  await Promise.all(
    requests.map(async ({ leader, batches: together }) => {
      try {
        const results = await request(options, leader, together);
        for (const batch of together) outcomes.set(batch, results.get(nameOf(batch)));
      } catch (error) {
        for (const batch of together) outcomes.set(batch, error);
      }
    }),
  );
  return outcomes;
}

interface LeaderRequest {
  readonly leader: number;
  readonly batches: SignedBatch[];
  bytes: number;
}

async function requestsByLeader(
  { connections }: SendOptions,
  batches: readonly SignedBatch[],
  outcomes: Map<SignedBatch, unknown>,
): Promise<LeaderRequest[]> {
  const requests: LeaderRequest[] = [];
  for (const batch of batches) {
    try {
      const leader = await connections.leaderOf(batch.topic, batch.partition);
      const size = batch.bytes.length;
      const open = requests.find(
        (request) => request.leader === leader && request.bytes + size <= requestBytesMax,
      );
      if (open === undefined) requests.push({ leader, batches: [batch], bytes: size });
      else {
        open.batches.push(batch);
        open.bytes += size;
      }
    } catch (error) {
      outcomes.set(batch, notSent(error));
    }
  }
  return requests;
}

async function request(
  { connections, lane, session }: SendOptions,
  leader: number,
  batches: readonly SignedBatch[],
): Promise<Map<string, unknown>> {
  const body = encodeProduce(session.transactionalId, replicationMsMax, batches);
  const node = await connections.node(leader, lane).catch((error: unknown) => {
    throw notSent(error);
  });
  const results = await node.callRaw('Produce', rawVersions.Produce, body, decodeProduce);
  return new Map(
    results.map((result) => [
      nameOf(result),
      result.errorCode === 0
        ? result.baseOffset
        : new KafkaRefusal(`Produce to ${nameOf(result)}`, result.errorCode),
    ]),
  );
}

function notSent(error: unknown): unknown {
  if (error instanceof KafkaRefusal) return error;
  return new NotSent(error instanceof Error ? error.message : String(error), { cause: error });
}
