// The two writers of the embedded log. Both hand whole commits to the one queue; a transactional one is fenced as soon
// as a newer writer of its id is opened.

import { DependencyDownError, TaskMigratedError } from '../../support/index.ts';
import type { Append, AppendedAt, Transaction, TransactionalWriter, Writer } from '../broker.ts';
import type { LogState } from './log-state.ts';

export class EmbeddedWriter implements Writer {
  readonly #state: LogState;
  readonly #onClose: (writer: EmbeddedWriter) => void;
  #closed = false;

  constructor(state: LogState, onClose: (writer: EmbeddedWriter) => void) {
    this.#state = state;
    this.#onClose = onClose;
  }

  async append(appends: readonly Append[]): Promise<AppendedAt[]> {
    if (this.#closed) throw new DependencyDownError('The writer of the embedded log is closed.');
    return this.#state.commit({ appends });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#onClose(this);
  }
}

export class EmbeddedTransactionalWriter implements TransactionalWriter {
  readonly transactionalId: string;
  readonly #state: LogState;
  readonly #epoch: number;
  readonly #onClose: (writer: EmbeddedTransactionalWriter) => void;
  #closed = false;

  constructor(
    transactionalId: string,
    epoch: number,
    state: LogState,
    onClose: (writer: EmbeddedTransactionalWriter) => void,
  ) {
    this.transactionalId = transactionalId;
    this.#epoch = epoch;
    this.#state = state;
    this.#onClose = onClose;
  }

  async commit(transaction: Transaction): Promise<AppendedAt[]> {
    const { transactionalId } = this;
    if (this.#closed) {
      throw new DependencyDownError(`The writer of transactional id ${transactionalId} is closed.`);
    }
    const epoch = this.#state.epoch(transactionalId);
    if (epoch !== this.#epoch) {
      throw new TaskMigratedError(
        `Transactional id ${transactionalId} has a newer writer (epoch ${epoch}, this one has ${this.#epoch}); nothing was written.`,
        { transactionalId, epoch, own: this.#epoch },
      );
    }
    return this.#state.commit(transaction);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#onClose(this);
  }
}
