// Points to a gateway over HTTP, as NDJSON. At least once: when an answer is lost, its batch is sent again by the next
// run. The line to go on at is kept in a small file, because a gateway keeps no accounts of its clients.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RecordColumns, recordKey, recordValue } from '../../schemas/index.ts';
import { type Clock, DependencyDownError, MeanstreamError } from '../../support/index.ts';
import type { PointSink } from './point-sink.ts';

export interface HttpPointSinkOptions {
  /** Of the gateway, such as http://127.0.0.1:8080. */
  readonly url: string;
  readonly clock: Clock;
  readonly positionFile: string;
  readonly resume: boolean;
}

const attemptsMax = 20;
const pauseMs = 250;
const rowsPerRequestMax = 1_000;
const charactersPerRequestMax = 262_144;
/** Answers that mean "not now": too many requests, no capacity. */
const busy = new Set([429, 503]);

export class HttpPointSink implements PointSink {
  readonly #options: HttpPointSinkOptions;
  #nextLine: number;

  private constructor(options: HttpPointSinkOptions, nextLine: number) {
    this.#options = options;
    this.#nextLine = nextLine;
  }

  static async open(options: HttpPointSinkOptions): Promise<HttpPointSink> {
    await mkdir(dirname(options.positionFile), { recursive: true });
    return new HttpPointSink(options, options.resume ? await rememberedLine(options) : 1);
  }

  get nextLine(): number {
    return this.#nextLine;
  }

  async send(records: RecordColumns, nextLine: number): Promise<void> {
    for (const body of ndjsonBodies(records)) await this.#post(body);
    this.#nextLine = nextLine;
    const { positionFile } = this.#options;
    await writeFile(`${positionFile}.new`, String(nextLine));
    await rename(`${positionFile}.new`, positionFile);
  }

  async close(): Promise<void> {}

  async #post(body: string): Promise<void> {
    const { url, clock } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const response = await post(url, body);
      const answer = await response.text();
      if (response.ok) return;
      if (!busy.has(response.status) || attempt === attemptsMax) {
        throw refused(url, response.status, answer);
      }
      await clock.sleep(pauseMs * Math.min(attempt, 8));
    }
  }
}

/** Requests of a size that a gateway takes. */
function* ndjsonBodies(records: RecordColumns): Generator<string> {
  let body = '';
  let rows = 0;
  for (let row = 0; row < records.n; row += 1) {
    const line = ndjsonLine(records, row);
    if (rows === rowsPerRequestMax || body.length + line.length > charactersPerRequestMax) {
      yield body;
      body = '';
      rows = 0;
    }
    body += line;
    rows += 1;
  }
  if (rows > 0) yield body;
}

/** A source's values are JSON objects without a key: the key is put in front, as POST takes it. */
function ndjsonLine(records: RecordColumns, row: number): string {
  const key = recordKey(records, row);
  const value = text(recordValue(records, row)!);
  if (key === null) return `${value}\n`;
  return `{"key":${JSON.stringify(text(key))},${value.slice(1)}\n`;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

async function post(url: string, body: string): Promise<Response> {
  try {
    return await fetch(new URL('/v1/points', url), {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body,
    });
  } catch (cause) {
    throw new DependencyDownError(
      `No gateway answers at ${url}; start \`meanstream dev\`, name another with --url, or set bootstrap.servers to write to Kafka.`,
      { cause, url },
    );
  }
}

function refused(url: string, status: number, answer: string): MeanstreamError {
  return new MeanstreamError(
    'MEANSTREAM_POINTS_REFUSED',
    `The gateway at ${url} answered ${status} to a batch of points: ${answer.slice(0, 500)}`,
    { url, status },
  );
}

async function rememberedLine({ positionFile }: HttpPointSinkOptions): Promise<number> {
  try {
    return Number(await readFile(positionFile, 'utf8'));
  } catch {
    return 1; // no file: nothing was delivered yet
  }
}
