// A thread that posts points over HTTP and writes every answer down: so many requests a second whatever becomes of them, or
// as fast as a few clients get answers. All requests are copies of one template with the request's number written into its
// keys, so that making them takes next to nothing of the core this thread shares with what it loads.
//
// It runs as a thread of its own and imports nothing of ours (started-thread.ts).
import { createConnection, type Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';

export interface HttpLoad {
  readonly port: number;
  /** A whole request. */
  readonly template: Uint8Array;
  /** Where in it the number of the request is to be written, in decimal digits, so many of them. */
  readonly numberAt: readonly number[];
  readonly digits: number;
  /** The number of the first request. */
  readonly first: number;
  readonly forMs: number;
  /** Requests a second; undefined: each connection sends the next when it has its answer. */
  readonly rate?: number;
  readonly connections: number;
}

export interface HttpAnswer {
  /** The number of the request. */
  readonly request: number;
  readonly status: number;
  readonly body: string;
}

export interface HttpLoadResult {
  readonly sent: number;
  /** Due, but every connection waited for an answer. */
  readonly heldBack: number;
  readonly seconds: number;
  /** Answers that came before the time was up. */
  readonly inTime: number;
  readonly answers: readonly HttpAnswer[];
  /** Requests whose connection ended, and how. */
  readonly unanswered: readonly { readonly request: number; readonly why: string }[];
}

const tickMs = 2;
/** After the last request, for the last answer. */
const patienceMs = 30_000;
/** The gateway ends what was idle for 10 s, perhaps as the next request is on its way: as clients do, we end it earlier. */
const idleMsMax = 5_000;
const headEnd = Buffer.from('\r\n\r\n');

const load = workerData as HttpLoad;
const answers: HttpAnswer[] = [];
const unanswered: { request: number; why: string }[] = [];
const idle: Client[] = [];
let clients = 0;
let waiting = 0;
let sent = 0;
let heldBack = 0;

class Client {
  readonly #socket: Socket;
  #request = -1;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #idleSinceMs = 0;
  /** Of the answer, once its head is there. */
  #wanted = Number.POSITIVE_INFINITY;

  constructor() {
    clients += 1;
    this.#socket = createConnection({ port: load.port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(error.code ?? 'error'));
    this.#socket.on('close', () => this.#lose('closed'));
  }

  send(request: number): void {
    this.#request = request;
    waiting += 1;
    this.#socket.write(requestOf(request));
  }

  get isOld(): boolean {
    return performance.now() - this.#idleSinceMs > idleMsMax;
  }

  /** Of one that is idle, and in no list of these. */
  close(): void {
    clients -= 1;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#wanted === Number.POSITIVE_INFINITY) this.#wanted = this.#lengthOf();
    if (this.#bytes < this.#wanted) return;
    const whole = Buffer.concat(this.#chunks);
    const body = whole.toString('latin1', whole.indexOf(headEnd) + headEnd.length);
    answers.push({ request: this.#request, status: Number(whole.toString('latin1', 9, 12)), body });
    this.#chunks = [];
    this.#bytes = 0;
    this.#wanted = Number.POSITIVE_INFINITY;
    this.#request = -1;
    waiting -= 1;
    this.#idleSinceMs = performance.now();
    onIdle(this);
  }

  #lengthOf(): number {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    const end = this.#chunks[0]!.indexOf(headEnd);
    if (end < 0) return Number.POSITIVE_INFINITY;
    const head = this.#chunks[0]!.toString('latin1', 0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head);
    return end + headEnd.length + Number(length?.[1] ?? 0);
  }

  #lose(why: string): void {
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
    else if (this.#request < 0) return;
    clients -= 1;
    if (this.#request < 0) return;
    unanswered.push({ request: this.#request, why });
    this.#request = -1;
    waiting -= 1;
  }
}

function requestOf(number: number): Buffer {
  const { template, numberAt, digits } = load;
  const request = Buffer.allocUnsafe(template.length);
  request.set(template);
  const text = String(number).padStart(digits, '0');
  const codes = Array.from(text, (digit) => digit.charCodeAt(0));
  for (const at of numberAt) {
    for (let i = 0; i < digits; i += 1) request[at + i] = codes[i]!;
  }
  return request;
}

let onIdle = (client: Client): void => {
  idle.push(client);
};

function sendNext(client: Client): void {
  client.send(load.first + sent);
  sent += 1;
}

function clientThatIsFree(): Client | undefined {
  for (let client = idle.pop(); client !== undefined; client = idle.pop()) {
    if (!client.isOld) return client;
    client.close();
  }
  return clients < load.connections ? new Client() : undefined;
}

/** As many as are due by now. */
function sendAtRate(rate: number, startedMs: number): void {
  const due = Math.floor(((performance.now() - startedMs) * rate) / 1_000);
  while (sent + heldBack < due) {
    const client = clientThatIsFree();
    if (client === undefined) heldBack = due - sent;
    else sendNext(client);
  }
}

async function until(condition: () => boolean, msMax: number): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!condition() && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
}

// This thread only: what it takes of the cores shall be what nobody else wants.
setPriority(0, constants.priority.PRIORITY_LOW);
const startedMs = performance.now();
const { rate, forMs } = load;
if (rate === undefined) {
  onIdle = sendNext;
  for (let i = 0; i < load.connections; i += 1) sendNext(new Client());
  await until(() => false, forMs);
  onIdle = (client) => void idle.push(client);
} else {
  await until(() => {
    sendAtRate(rate, startedMs);
    return false;
  }, forMs);
}
const seconds = (performance.now() - startedMs) / 1_000;
const inTime = answers.length;
await until(() => waiting === 0, patienceMs);
const result: HttpLoadResult = { sent, heldBack, seconds, answers, unanswered, inTime };
parentPort!.postMessage(result);
for (const client of idle.splice(0)) client.close();
