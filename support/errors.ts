// Errors are named by what the runtime does next. Each has a stable code, typed fields and, where there is
// one, a cause. A message is one sentence with the values in it and the remedy.

interface ErrorContext {
  cause?: unknown;
  [field: string]: unknown;
}

/** The root of all errors of the world (never of the programmer: those are assertions). */
export class MeanstreamError extends Error {
  readonly code: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, { cause, ...fields }: ErrorContext = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.fields = fields;
  }
}

/** One record cannot be used: count it, dead-letter it, go on. Thrown or recorded while decoding. */
export class InvalidRecordError extends MeanstreamError {
  constructor(code: string, message: string, context?: ErrorContext) {
    super(code, message, context);
  }
}

/** A passing fault: back off and retry, a bounded number of times. */
export class RetriableError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_RETRIABLE', message, context);
  }
}

/** Nobody knows whether a commit was applied: drop the overlay and the writer, then re-open the task. */
export class CommitOutcomeUnknownError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_COMMIT_OUTCOME_UNKNOWN', message, context);
  }
}

/** A task's local store cannot be trusted: wipe it and restore it from the changelog. */
export class TaskCorruptedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_TASK_CORRUPTED', message, context);
  }
}

/** Stored bytes are not what their name says: leave them alone, and take them from elsewhere or make them anew. */
export class ArtifactCorruptedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_ARTIFACT_CORRUPTED', message, context);
  }
}

/** The task has another owner (fenced): drop it without committing and rejoin the group. */
export class TaskMigratedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_TASK_MIGRATED', message, context);
  }
}

/** An exception in a processor's code: drop what is not committed, try once more, then stop the task. */
export class ProcessorFailedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_PROCESSOR_FAILED', message, context);
  }
}

/** A record is larger than the topic accepts: make smaller batches; when one input record alone makes it, stop the task. */
export class RecordTooLargeError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_RECORD_TOO_LARGE', message, context);
  }
}

/** A worker's copy of a range is not what it wrote: replay the range from the log. */
export class SegmentCorruptedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_SEGMENT_CORRUPTED', message, context);
  }
}

/** A job was ended by somebody else: stop working on it; nothing of it is published. */
export class JobCancelledError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_JOB_CANCELLED', message, context);
  }
}

/** The asked offset is not in the log: input follows auto.offset.reset, a store is rebuilt. */
export class OffsetOutOfRangeError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_OFFSET_OUT_OF_RANGE', message, context);
  }
}

/** The graph is not sound: refuse to start. */
export class InvalidTopologyError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_INVALID_TOPOLOGY', message, context);
  }
}

/** One or more settings are wrong: refuse to start, naming all of them. */
export class InvalidSettingError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_INVALID_SETTING', message, context);
  }
}

/** A file is no model that can be read; nothing was changed (exit code 2). */
export class InvalidModelFileError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_INVALID_MODEL_FILE', message, context);
  }
}

/** Something this process depends on cannot be reached (exit code 3). */
export class DependencyDownError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_DEPENDENCY_DOWN', message, context);
  }
}

/** Not done because it would do harm now; nothing was changed (exit code 5). */
export class RefusedError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_REFUSED', message, context);
  }
}

/** Nothing sensible can follow: stop the process. */
export class FatalError extends MeanstreamError {
  constructor(message: string, context?: ErrorContext) {
    super('MEANSTREAM_FATAL', message, context);
  }
}
