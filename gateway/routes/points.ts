// POST /v1/points: points into the log. 202 with the place of each, in the order sent, once the log has acknowledged
// them all; nothing of a request with a fault is accepted. Reading a thousand points takes milliseconds, and so does saying
// where they stand: both are done in turns.

import type { PointFormat, RecordHeader } from '../../schemas/index.ts';
import type { Clock } from '../../support/index.ts';
import { json, type Route } from '../http.ts';
import { type PointInputOptions, readPointInput } from '../point-input.ts';
import type { PointsWriter } from '../points-writer.ts';
import type { Turns } from '../turns.ts';

export interface PointsRouteOptions {
  readonly input: PointInputOptions;
  readonly writer: PointsWriter;
  /** How processors read records without a content-type header. */
  readonly defaultFormat: PointFormat;
  readonly clock: Clock;
  readonly turns: Turns;
}

const contentTypeHeaders: Readonly<Record<PointFormat, readonly RecordHeader[]>> = {
  json: [contentType('application/json')],
  float32: [contentType('application/vnd.meanstream.float32')],
};

export function pointsRoute(options: PointsRouteOptions): Route {
  const { input, writer, defaultFormat, clock, turns } = options;
  return {
    method: 'POST',
    path: '/v1/points',
    handle: async (request) => {
      const placesOf = await turns.run(() => {
        const { keys, recordValues, format } = readPointInput(request, input);
        const headers = format === defaultFormat ? [] : contentTypeHeaders[format];
        const timestampMs = clock.nowMs();
        return writer.write(
          recordValues.map((value, i) => ({ key: keys[i]!, value, timestampMs, headers })),
        );
      });
      return turns.run(() => json({ accepted: placesOf() }, 202), { urgent: true });
    },
  };
}

function contentType(value: string): RecordHeader {
  return { key: 'content-type', value: new TextEncoder().encode(value) };
}
