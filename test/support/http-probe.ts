// A thread that asks questions over HTTP at even intervals, each on time whatever becomes of those before, and measures how
// long every answer takes from when its question was due. A thread of its own: what else the test does shall not be measured.
//
// It imports nothing of ours (started-thread.ts). It ends, and tells, when it is told to.
import { Agent, type RequestOptions, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

export interface HttpProbe {
  readonly port: number;
  /** Asked in turn. */
  readonly questions: readonly HttpQuestion[];
  readonly everyMs: number;
}

export interface HttpQuestion {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
}

export interface HttpProbeResult {
  readonly latenciesMs: readonly number[];
  /** By status, or by what happened to the connection. */
  readonly statuses: Readonly<Record<string, number>>;
}

const { port, questions, everyMs } = workerData as HttpProbe;
const agent = new Agent({ keepAlive: true, noDelay: true });
const latenciesMs: number[] = [];
const statuses: Record<string, number> = {};
const startedMs = performance.now();
let asked = 0;
let isOver = false;

parentPort!.once('message', () => {
  isOver = true;
});

while (!isOver) {
  await new Promise((resolve) => setTimeout(resolve, 1));
  for (; startedMs + asked * everyMs < performance.now(); asked += 1) {
    ask(questions[asked % questions.length]!, startedMs + asked * everyMs);
  }
}
while (latenciesMs.length < asked) await new Promise((resolve) => setTimeout(resolve, 1));
const result: HttpProbeResult = { latenciesMs, statuses };
parentPort!.postMessage(result);
agent.destroy();

function ask({ method, path, body }: HttpQuestion, dueMs: number): void {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const options: RequestOptions = { agent, port, host: '127.0.0.1', method, path, headers };
  const end = (status: string) => {
    statuses[status] = (statuses[status] ?? 0) + 1;
    latenciesMs.push(performance.now() - dueMs);
  };
  const asking = request(options, (answer) => {
    answer.resume();
    answer.once('end', () => end(String(answer.statusCode)));
  });
  asking.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
  asking.end(body);
}
