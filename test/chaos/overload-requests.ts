// The requests of R10: each is one text with its own number in the keys of its points, so that every point of every request can be
// told from every other; and what became of them, compared with what the topic holds.
import type { Broker } from '../../broker/index.ts';
import { recordKey, topics } from '../../schemas/index.ts';
import type { HttpAnswer, HttpLoad, HttpLoadResult } from '../support/http-load.ts';

export const pointsPerRequest = 200;
const digits = 8;
const keyStart = '"key":"r';

export type RequestText = Pick<HttpLoad, 'template' | 'numberAt' | 'digits'>;

export function requestText(vector: () => number[]): RequestText {
  const lines = Array.from({ length: pointsPerRequest }, (_, row) => {
    const key = `r${'0'.repeat(digits)}-${row}`;
    return `${JSON.stringify({ key, vector: vector() })}\n`;
  });
  const body = lines.join('');
  const head = [
    ...['POST /v1/points HTTP/1.1', 'host: gateway', 'content-type: application/x-ndjson'],
    `content-length: ${body.length}`,
  ];
  const template = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  const numberAt: number[] = [];
  for (let at = template.indexOf(keyStart); at >= 0; at = template.indexOf(keyStart, at + 1)) {
    numberAt.push(at + keyStart.length);
  }
  return { template, numberAt, digits };
}

/** Where the topic has each request's points: by request, and by place in it. */
export type Landed = Map<number, { readonly row: number; readonly place: string }[]>;

export async function landedPoints(broker: Broker): Promise<Landed> {
  const landed: Landed = new Map();
  const text = new TextDecoder();
  for (const { partition, logStart, end } of await broker.listOffsets(topics.points)) {
    const reader = broker.openReader({ topic: topics.points, partition }, logStart);
    while (reader.position < end) {
      const batch = await reader.read({ rowsMax: 8_192, waitMsMax: 1_000 });
      for (let row = 0; row < batch.n; row += 1) {
        const key = /^r(\d+)-(\d+)$/.exec(text.decode(recordKey(batch, row)!));
        if (key === null) continue;
        const request = Number(key[1]);
        const points = landed.get(request) ?? [];
        points.push({ row: Number(key[2]), place: `${partition}-${batch.offsets[row]}` });
        landed.set(request, points);
      }
    }
    await reader.close();
  }
  return landed;
}

/** What is wrong with the answers of a load: each that is no plain yes or no, and each that is not true. */
export function wrongIn({ answers, unanswered }: HttpLoadResult, landed: Landed): string[] {
  const wrong = unanswered.map(({ request, why }) => `request ${request} got no answer: ${why}`);
  for (const answer of answers) {
    const points = landed.get(answer.request) ?? [];
    const fault = answer.status === 202 ? faultOfYes(answer, points) : faultOfNo(answer, points);
    if (fault !== undefined) wrong.push(`request ${answer.request}: ${fault}`);
  }
  return wrong;
}

type Points = readonly { readonly row: number; readonly place: string }[];

/** Each of its points is in the topic once, where the answer says. */
function faultOfYes({ body }: HttpAnswer, points: Points): string | undefined {
  const { accepted } = JSON.parse(body) as { accepted: { partition: number; offset: string }[] };
  const said = accepted.map(({ partition, offset }) => `${partition}-${offset}`);
  const rows = new Set(points.map(({ row }) => row));
  if (said.length !== pointsPerRequest || points.length !== pointsPerRequest) {
    return `202 with ${said.length} places, and ${points.length} points are in the topic`;
  }
  const misplaced = points.find(({ row, place }) => said[row] !== place);
  if (rows.size === pointsPerRequest && misplaced === undefined) return undefined;
  return `202, but point ${misplaced?.row} is at ${misplaced?.place}`;
}

/** 429 or 503, with its reason; and what it says was not accepted is not there. */
function faultOfNo({ status, body }: HttpAnswer, points: Points): string | undefined {
  if (status !== 429 && status !== 503) return `${status} ${body.slice(0, 200)}`;
  const problem = JSON.parse(body) as { status?: number; code?: string; detail?: string };
  if (problem.status !== status || !problem.code || !problem.detail) return `${status} ${body}`;
  const isUnclear = problem.code === 'MEANSTREAM_OUTCOME_UNKNOWN';
  if (points.length === 0 || isUnclear) return undefined;
  return `${status} ${problem.code}, but ${points.length} points are in the topic`;
}
