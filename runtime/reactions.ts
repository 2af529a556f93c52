// What a task's runner does after an error: the class of the error says it. One pure function decides.
//
//   error                                reaction
//   TaskMigratedError                    drop      another owner: close without committing, ask the group
//   TaskCorruptedError                   wipe      re-open with the stores rebuilt from their changelogs
//   OffsetOutOfRangeError                reopen    taking over looks for a position that is in the log
//   RecordTooLargeError                  smaller   re-open, then half the rows a batch; made of one row or none: fail
//   ProcessorFailedError                 reopen    once; the second time in a row: fail
//   FatalError, InvalidTopologyError,
//   AssertionError                       fail      no retry can help
//   any other (Retriable, CommitOutcome-
//   Unknown, DependencyDown, unknown)    retry     re-open after a pause that grows

import {
  AssertionError,
  FatalError,
  InvalidTopologyError,
  OffsetOutOfRangeError,
  ProcessorFailedError,
  RecordTooLargeError,
  TaskCorruptedError,
  TaskMigratedError,
} from '../support/index.ts';

export type Reaction = 'drop' | 'wipe' | 'reopen' | 'retry' | 'smaller' | 'fail';

export interface TaskHistory {
  /** Input records that the transaction was made of. */
  readonly rows: number;
  /** Failures of a processor, this one included, without progress between them. */
  readonly processorFailures: number;
}

const processorFailuresMax = 1;

export function reactionTo(error: unknown, history: TaskHistory): Reaction {
  if (error instanceof TaskMigratedError) return 'drop';
  if (error instanceof TaskCorruptedError) return 'wipe';
  if (error instanceof OffsetOutOfRangeError) return 'reopen';
  if (error instanceof RecordTooLargeError) return history.rows > 1 ? 'smaller' : 'fail';
  if (error instanceof ProcessorFailedError) {
    return history.processorFailures > processorFailuresMax ? 'fail' : 'reopen';
  }
  return isHopeless(error) ? 'fail' : 'retry';
}

function isHopeless(error: unknown): boolean {
  return (
    error instanceof FatalError ||
    error instanceof InvalidTopologyError ||
    error instanceof AssertionError
  );
}
