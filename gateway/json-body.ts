// The JSON object in a request, with every unknown member named. It must say that it is JSON: what a page of another site may send
// without asking first does not.

import type { GatewayRequest } from './http.ts';
import { ProblemError } from './problem.ts';

/** @throws ProblemError (415) for another content type, (400) when the body is no JSON object, or has members that nobody knows */
export function jsonBody(
  { body, contentType }: GatewayRequest,
  known: readonly string[],
): Record<string, unknown> {
  if (contentType !== 'application/json') {
    const given = contentType === '' ? 'none' : contentType;
    throw new ProblemError(
      'unsupported-media-type',
      `The content type must be application/json, not ${given}.`,
    );
  }
  const value = jsonObject(body, (why) => new ProblemError('invalid-request', `The body ${why}.`));
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  if (unknown.length === 0) return value;
  throw new ProblemError(
    'invalid-request',
    `The body has ${unknown.join(', ')}; there are ${known.join(', ')}.`,
    { fields: { unknown } },
  );
}

/** @param refused what to throw, made from why: "is not JSON" */
export function jsonObject(
  body: Uint8Array,
  refused: (why: string) => ProblemError,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw refused('is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw refused('is not a JSON object');
}
