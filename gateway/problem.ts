// Errors as the outside sees them: application/problem+json (RFC 9457). The one place where an error becomes a status.
// Every problem has a stable type and code, a sentence with the values and the remedy, and no trace of the inside.

import {
  CommitOutcomeUnknownError,
  DependencyDownError,
  InvalidRecordError,
  MeanstreamError,
  RecordTooLargeError,
  RetriableError,
} from '../support/index.ts';
import type { GatewayResponse } from './http.ts';

const kinds = {
  'invalid-request': {
    code: 'MEANSTREAM_INVALID_REQUEST',
    status: 400,
    title: 'The request cannot be read',
  },
  'invalid-point': { code: 'MEANSTREAM_INVALID_POINT', status: 400, title: 'A point is not valid' },
  'origin-refused': {
    code: 'MEANSTREAM_ORIGIN_REFUSED',
    status: 403,
    title: 'The origin is not allowed',
  },
  'not-found': { code: 'MEANSTREAM_NOT_FOUND', status: 404, title: 'There is nothing here' },
  'method-not-allowed': {
    code: 'MEANSTREAM_METHOD_NOT_ALLOWED',
    status: 405,
    title: 'The method is not allowed',
  },
  refused: {
    code: 'MEANSTREAM_REFUSED',
    status: 409,
    title: 'Not done, because it makes no sense now',
  },
  'precondition-failed': {
    code: 'MEANSTREAM_PRECONDITION_FAILED',
    status: 412,
    title: 'Somebody else was first',
  },
  'body-too-large': {
    code: 'MEANSTREAM_BODY_TOO_LARGE',
    status: 413,
    title: 'The request is too large',
  },
  'unsupported-media-type': {
    code: 'MEANSTREAM_UNSUPPORTED_MEDIA_TYPE',
    status: 415,
    title: 'The content type is not understood',
  },
  'upgrade-required': {
    code: 'MEANSTREAM_UPGRADE_REQUIRED',
    status: 426,
    title: 'This address speaks WebSocket',
  },
  'too-many-requests': {
    code: 'MEANSTREAM_TOO_MANY_REQUESTS',
    status: 429,
    title: 'Too much at once',
  },
  'internal-error': {
    code: 'MEANSTREAM_INTERNAL_ERROR',
    status: 500,
    title: 'Something failed inside',
  },
  'log-unavailable': {
    code: 'MEANSTREAM_LOG_UNAVAILABLE',
    status: 503,
    title: 'The log cannot be reached',
  },
  'outcome-unknown': {
    code: 'MEANSTREAM_OUTCOME_UNKNOWN',
    status: 503,
    title: 'Nobody knows whether it was accepted',
  },
  'no-model': { code: 'MEANSTREAM_NO_MODEL', status: 503, title: 'There is no model yet' },
} as const;

export type ProblemKind = keyof typeof kinds;

export interface ProblemOptions {
  /** Further members of the answer, e.g. the index of a point. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class ProblemError extends MeanstreamError {
  readonly kind: ProblemKind;
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: ProblemKind, detail: string, options: ProblemOptions = {}) {
    const { fields = {}, headers = {}, cause } = options;
    super(kinds[kind].code, detail, cause === undefined ? fields : { ...fields, cause });
    this.kind = kind;
    this.headers = headers;
  }

  get status(): number {
    return kinds[this.kind].status;
  }
}

const retryAfter = { 'retry-after': '1' };

/** What an error means to the client. Whatever is not known here is a 500 that says nothing. */
export function problemOf(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof InvalidRecordError) {
    return new ProblemError('invalid-point', error.message, { fields: { reason: error.code } });
  }
  if (error instanceof RecordTooLargeError)
    return new ProblemError('body-too-large', error.message);
  if (error instanceof CommitOutcomeUnknownError) {
    const detail =
      'The log did not answer in time: the points may have been accepted; sending them again may repeat them.';
    return new ProblemError('outcome-unknown', detail, { headers: retryAfter, cause: error });
  }
  if (error instanceof RetriableError || error instanceof DependencyDownError) {
    const detail = 'The log cannot be reached; nothing was accepted; try again.';
    return new ProblemError('log-unavailable', detail, { headers: retryAfter, cause: error });
  }
  return new ProblemError(
    'internal-error',
    'The request failed; the log of the service says why.',
    {
      cause: error,
    },
  );
}

export function problemResponse(problem: ProblemError, instance: string): GatewayResponse {
  const { status, title } = kinds[problem.kind];
  const body = {
    type: `urn:meanstream:problem:${problem.kind}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    instance,
    ...problem.fields,
  };
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...problem.headers },
    body: JSON.stringify(body),
  };
}
