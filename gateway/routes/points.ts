// POST /v1/points: points into the log. 202 with the place of each, in the order sent, once the log has acknowledged
// them all; nothing of a request with a fault is accepted.

import type { PointFormat, RecordHeader } from '../../schemas/index.ts';
import type { Clock } from '../../support/index.ts';
import { json, type Route } from '../http.ts';
import { type PointInputOptions, readPointInput } from '../point-input.ts';
import type { PointsWriter } from '../points-writer.ts';

export interface PointsRouteOptions {
  readonly input: PointInputOptions;
  readonly writer: PointsWriter;
  /** How processors read records without a content-type header. */
  readonly defaultFormat: PointFormat;
  readonly clock: Clock;
}

const contentTypeHeaders: Readonly<Record<PointFormat, readonly RecordHeader[]>> = {
  json: [contentType('application/json')],
  float32: [contentType('application/vnd.meanstream.float32')],
};

export function pointsRoute({ input, writer, defaultFormat, clock }: PointsRouteOptions): Route {
  return {
    method: 'POST',
    path: '/v1/points',
    handle: async (request) => {
      const { keys, recordValues, format } = readPointInput(request, input);
      const headers = format === defaultFormat ? [] : contentTypeHeaders[format];
      const timestampMs = clock.nowMs();
      const records = recordValues.map((value, i) => ({
        key: keys[i]!,
        value,
        timestampMs,
        headers,
      }));
      return json({ accepted: await writer.write(records) }, 202);
    },
  };
}

function contentType(value: string): RecordHeader {
  return { key: 'content-type', value: new TextEncoder().encode(value) };
}
