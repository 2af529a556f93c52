// Who may write under a transactional id, and what becomes of each transaction. As Kafka's: an end is decided first and the
// markers follow; until they are all there the id can do nothing; a new owner bumps the epoch and ends what was open.

import type { Random } from '../../support/index.ts';
import {
  FencedError,
  type ModelPartition,
  type Producer,
  RefusalError,
} from './model-partition.ts';
import type { OffsetTable } from './offset-table.ts';
import type { Scheduler } from './scheduler.ts';

/** The id is between two transactions: ask again. */
export class ConcurrentError extends Error {}

interface State {
  readonly id: number;
  epoch: number;
  phase: 'empty' | 'ongoing' | 'ending';
  isCommit: boolean;
  readonly partitions: Set<ModelPartition>;
  readonly tables: Set<OffsetTable>;
  cancelTimeout: () => void;
}

export interface TransactionCoordinatorOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly note: (text: string) => void;
  readonly replicate: (partition: ModelPartition) => void;
}

export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions;
  readonly #states = new Map<string, State>();

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
  }

  init(transactionalId: string): Producer {
    const state = this.#states.get(transactionalId) ?? this.#create(transactionalId);
    if (state.phase === 'ongoing') {
      this.#abortAndFence(transactionalId, state);
    }
    if (state.phase !== 'empty') throw new ConcurrentError(transactionalId);
    state.epoch += 1;
    return { id: state.id, epoch: state.epoch };
  }

  add(transactionalId: string, producer: Producer, what: ModelPartition | OffsetTable): void {
    const state = this.#owned(transactionalId, producer);
    if (state.phase === 'ending') throw new ConcurrentError(transactionalId);
    if (state.phase === 'empty') this.#begin(transactionalId, state);
    if ('entries' in what) state.partitions.add(what);
    else state.tables.add(what);
  }

  end(transactionalId: string, producer: Producer, isCommit: boolean): void {
    const state = this.#owned(transactionalId, producer);
    if (state.phase === 'ongoing') this.#end(transactionalId, state, isCommit);
    else if (state.isCommit !== isCommit) throw new RefusalError('INVALID_TXN_STATE');
  }

  #create(transactionalId: string): State {
    const state: State = {
      id: this.#states.size + 1,
      epoch: -1,
      phase: 'empty',
      isCommit: false,
      partitions: new Set(),
      tables: new Set(),
      cancelTimeout: () => {},
    };
    this.#states.set(transactionalId, state);
    return state;
  }

  #owned(transactionalId: string, { id, epoch }: Producer): State {
    const state = this.#states.get(transactionalId);
    if (state?.id !== id || state.epoch !== epoch) throw new FencedError(transactionalId);
    return state;
  }

  #begin(transactionalId: string, state: State): void {
    state.phase = 'ongoing';
    state.cancelTimeout = this.#options.scheduler.after(this.#options.timeoutMs, () => {
      this.#options.note(`${transactionalId}: the transaction timed out`);
      this.#abortAndFence(transactionalId, state);
    });
  }

  /** The markers carry the new epoch: what the old owner sent late is refused wherever it arrives. */
  #abortAndFence(transactionalId: string, state: State): void {
    state.epoch += 1;
    this.#end(transactionalId, state, false);
  }

  #end(transactionalId: string, state: State, isCommit: boolean): void {
    const { scheduler, random, note, replicate } = this.#options;
    state.cancelTimeout();
    state.phase = 'ending';
    state.isCommit = isCommit;
    note(`${transactionalId} epoch ${state.epoch}: ${isCommit ? 'committed' : 'aborted'}`);
    const producer = { id: state.id, epoch: state.epoch };
    if (isCommit) for (const partition of state.partitions) partition.decide(state.id);
    let left = state.partitions.size + state.tables.size;
    const done = () => {
      left -= 1;
      if (left > 0) return;
      state.partitions.clear();
      state.tables.clear();
      state.phase = 'empty';
    };
    for (const what of [...state.partitions, ...state.tables]) {
      scheduler.after(random.float() * 5, () => {
        what.mark(producer, isCommit);
        if ('entries' in what) replicate(what);
        done();
      });
    }
    if (left === 0) state.phase = 'empty';
  }
}
