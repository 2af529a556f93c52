// The socket side of HTTP: copies a request out of uWebSockets.js (its objects die when the handler returns), gathers
// the body up to the limit, runs the route and answers once, corked, unless the client has gone. What a route holds is bounded
// (route-load.ts): above it requests are refused as soon as their head is there.
//
// uWebSockets.js refuses header blocks above 4,096 bytes by itself; whoever needs more sets UWS_HTTP_MAX_HEADERS_SIZE
// in the environment of the process, for it is read when the library is loaded.

import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { type Clock, type Logger, type Metrics, ReusedMemory } from '../support/index.ts';
import type { GatewayRequest, GatewayResponse, Route } from './http.ts';
import type { GatewayLimits } from './limits.ts';
import { ProblemError, problemOf, problemResponse } from './problem.ts';
import { RouteLoad } from './route-load.ts';
import type { Match, Router } from './router.ts';

export interface TransportOptions {
  readonly router: Router;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const knownMethods = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD'];

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly startedMs: number;
  route: string;
  open: boolean;
  /** Its route has begun. */
  running: boolean;
  /** Of its route, once that has let it in. */
  load: RouteLoad | undefined;
  /** Of its body, as far as it is here. */
  bytes: number;
  /** What its body lies in. */
  memory: ArrayBuffer | undefined;
}

const everyAnswer: readonly (readonly [string, string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
];

/** Serves every HTTP request of `app` that is not an upgrade. */
export function serveHttp(app: TemplatedApp, options: TransportOptions): void {
  const { router, limits, clock, logger, metrics } = options;
  const memory = new ReusedMemory({
    pieceBytesMin: 4_096,
    freeBytesMax: limits.bodyBytesHeldMax,
  });
  const loads = new Map<Route, RouteLoad>();
  const loadOf = (route: Route) => {
    const load = loads.get(route) ?? new RouteLoad(limits);
    loads.set(route, load);
    return load;
  };

  app.any('/*', (response, request) => {
    const exchange: Exchange = {
      method: request.getMethod().toUpperCase(),
      path: request.getUrl(),
      startedMs: clock.monotonicMs(),
      ...{
        route: 'none',
        open: true,
        running: false,
        load: undefined,
        bytes: 0,
        memory: undefined,
      },
    };
    const release = () => {
      exchange.load?.leave(exchange.bytes);
      exchange.load = undefined;
      if (exchange.memory !== undefined) memory.give(exchange.memory);
      exchange.memory = undefined;
    };
    response.onAborted(() => {
      exchange.open = false;
      // A route that has begun goes on, and holds what it holds until it ends.
      if (!exchange.running) release();
    });
    const answer = (value: GatewayResponse, closeConnection = false) => {
      release();
      if (!exchange.open) return;
      exchange.open = false;
      send(response, exchange.method, value, closeConnection);
      observe(metrics, clock, exchange, value.status);
    };
    const fail = (error: unknown, closeConnection = false) => {
      const problem = problemOf(error);
      if (problem.status >= 500) logFailure(logger, exchange, problem);
      answer(problemResponse(problem, exchange.path), closeConnection);
    };
    const length = hasBody(exchange) ? lengthOf(request) : 0;
    // A body whose end is known and near is read and thrown away: whoever is still sending would not hear an answer on a
    // connection that is closed meanwhile.
    const isDrained = length !== undefined && length <= limits.bodyBytesMax;
    try {
      const match = router.match(exchange.method, exchange.path);
      exchange.route = match.route.path;
      if (!isDrained && length !== undefined) throw tooLarge(limits);
      const load = loadOf(match.route);
      load.enter(length ?? 0);
      exchange.load = load;
      const copy = copied(request, exchange, match);
      const go = (body: Uint8Array) => {
        exchange.running = true;
        run(match, { ...copy, body }, answer, fail);
      };
      if (!hasBody(exchange)) return go(noBody);
      readBody(response, {
        memory,
        accept: (bytes) => accept(exchange, bytes, limits),
        done: (whole, bytes) => {
          exchange.memory = whole.buffer;
          go(whole.subarray(0, bytes));
        },
        fail: (error) => fail(error, !isDrained),
      });
    } catch (error) {
      fail(error, !isDrained);
    }
  });
}

/** So many bytes of a body have come. @throws ProblemError when they are too many, for it or for its route. */
function accept(exchange: Exchange, bytes: number, limits: GatewayLimits): void {
  if (bytes > limits.bodyBytesMax) throw tooLarge(limits);
  exchange.load!.hold(bytes - exchange.bytes);
  exchange.bytes = bytes;
}

function run(
  { route }: Match,
  request: GatewayRequest,
  answer: (response: GatewayResponse) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const response = route.handle(request);
    if (response instanceof Promise) response.then(answer, fail);
    else answer(response);
  } catch (error) {
    fail(error);
  }
}

function hasBody({ method }: Exchange): boolean {
  return method === 'POST' || method === 'PUT';
}

const noBody = new Uint8Array(0);

function copied(request: HttpRequest, exchange: Exchange, { params }: Match): GatewayRequest {
  const contentType = request.getHeader('content-type').split(';', 1)[0]!.trim().toLowerCase();
  return {
    method: exchange.method,
    path: exchange.path,
    params,
    query: new URLSearchParams(request.getQuery()),
    contentType,
    ifNoneMatch: request.getHeader('if-none-match'),
    ifMatch: request.getHeader('if-match'),
    body: noBody,
  };
}

/** Undefined when the request does not say it. */
function lengthOf(request: HttpRequest): number | undefined {
  const text = request.getHeader('content-length');
  return text === '' ? undefined : Number(text);
}

interface BodyReading {
  readonly memory: ReusedMemory;
  /** So many bytes have come. @throws ProblemError when that is too much. */
  readonly accept: (bytes: number) => void;
  /** Takes the memory over in which the body's bytes lie in front. */
  readonly done: (whole: Uint8Array<ArrayBuffer>, bytes: number) => void;
  readonly fail: (error: unknown) => void;
}

function readBody(response: HttpResponse, { memory, accept, done, fail }: BodyReading): void {
  let taken = noBody;
  let bytes = 0;
  let isOver = false;
  response.onData((chunk, isLast) => {
    if (isOver) return;
    const before = bytes;
    bytes += chunk.byteLength;
    try {
      accept(bytes);
    } catch (error) {
      isOver = true;
      memory.give(taken.buffer);
      return fail(error);
    }
    // The chunk is taken away from us when this returns.
    if (bytes > taken.length) {
      const larger = new Uint8Array(memory.take(bytes));
      larger.set(taken.subarray(0, before));
      memory.give(taken.buffer);
      taken = larger;
    }
    taken.set(new Uint8Array(chunk), before);
    if (isLast) done(taken, bytes);
  });
}

function send(
  response: HttpResponse,
  method: string,
  { status, headers, body }: GatewayResponse,
  closeConnection: boolean,
): void {
  response.cork(() => {
    response.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    for (const [name, value] of everyAnswer) response.writeHeader(name, value);
    for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
    if (method === 'HEAD') response.endWithoutBody(Buffer.byteLength(body));
    else response.end(body, closeConnection);
  });
}

function observe(metrics: Metrics, clock: Clock, exchange: Exchange, status: number): void {
  const { method, route, startedMs } = exchange;
  const known = knownMethods.includes(method) ? method : 'other';
  metrics.httpRequestDuration.observe(
    { method: known, route, status: String(status) },
    (clock.monotonicMs() - startedMs) / 1_000,
  );
}

function logFailure(logger: Logger, { method, path }: Exchange, problem: ProblemError): void {
  const fields = { method, path, code: problem.code, err: problem.cause };
  if (problem.kind === 'internal-error') logger.error(fields, 'a request failed');
  else logger.debug(fields, 'a request could not be served');
}

function tooLarge({ bodyBytesMax }: GatewayLimits): ProblemError {
  return new ProblemError(
    'body-too-large',
    `A request may have ${bodyBytesMax} bytes; send the points in smaller requests.`,
    { fields: { bodyBytesMax } },
  );
}
