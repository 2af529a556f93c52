import { JobCancelledError } from '../support/index.ts';

/** What a retrain ends with whose signal is aborted. */
export function stoppedError(): JobCancelledError {
  return new JobCancelledError('The retrain was stopped.', {});
}

/** @throws JobCancelledError once the signal is aborted */
export function requireGoing(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw stoppedError();
}
