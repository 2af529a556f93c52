// The first half of R10: requests with points at five times the rate at which the gateway can take them, whatever becomes of
// those before, while others ask questions. How much it can take is measured first: a few clients that send the next request
// when they have their answer.

import type { HttpLoad, HttpLoadResult } from '../support/http-load.ts';
import type { HttpProbe, HttpProbeResult, HttpQuestion } from '../support/http-probe.ts';
import type { KafkaDeployment } from '../support/kafka-deployment.ts';
import { eventually, type MeanstreamProcess, sleep } from '../support/meanstream-process.ts';
import { type Watched, watchProcess } from '../support/process-watch.ts';
import { answerOf, startThread } from '../support/started-thread.ts';
import { count } from './chaos-row.ts';
import { patienceMs } from './field.ts';
import {
  type Bounds,
  type Overloaded,
  percentile,
  timesCapacity,
  timesCapacityMin,
} from './overload-bounds.ts';
import { landedPoints, pointsPerRequest, requestText, wrongIn } from './overload-requests.ts';

const idleMs = 1_500;
const warmUpMs = 1_000;
const capacityMs = 2_000;
const clients = 8;
const connectionsMax = 3_000;
const askEveryMs = 4;
const queryTimesMax = 3;
/** As k8s/base gives it. */
const memoryLimit = 1_024 * 1_048_576;

interface Loaded {
  readonly load: HttpLoadResult;
  readonly questions: HttpProbeResult;
  readonly watched: Watched;
}

export class GatewayUnderLoad {
  readonly #deployment: KafkaDeployment;
  readonly #process: MeanstreamProcess;
  readonly #url: string;
  readonly #bounds: Bounds;
  readonly #vector: () => number[];
  readonly #loads: HttpLoadResult[] = [];
  #sent = 0;

  private constructor(
    { deployment, bounds, vector }: Overloaded,
    process: MeanstreamProcess,
    url: string,
  ) {
    this.#deployment = deployment;
    this.#bounds = bounds;
    this.#vector = vector;
    this.#process = process;
    this.#url = url;
  }

  /** Once it has a model. */
  static async start(overloaded: Overloaded): Promise<GatewayUnderLoad> {
    const { deployment } = overloaded;
    const process = deployment.start(['gateway', '--port', '0'], {
      'group.instance.id': 'gateway',
    });
    const url = (await process.waitFor(/"url":"(http:[^"]+)"/, patienceMs))[1]!;
    const hasModel = async () => {
      const { model } = (await (await fetch(`${url}/v1/status`)).json()) as {
        model: object | null;
      };
      return model !== null;
    };
    await eventually('a model', hasModel, patienceMs);
    return new GatewayUnderLoad(overloaded, process, url);
  }

  async overload(steadyMs: number, forMs: number): Promise<void> {
    const { say } = this.#bounds;
    const idle = await this.#askWhile(() => sleep(idleMs));
    await this.#load({ forMs: warmUpMs, connections: clients });
    const { load } = await this.#load({ forMs: capacityMs, connections: clients });
    const capacity = load.inTime / load.seconds;
    say(`the gateway takes ${Math.round(capacity * pointsPerRequest)} points/s`);
    const atRate = { connections: connectionsMax };
    const steady = await this.#load({ ...atRate, forMs: steadyMs, rate: capacity / 2 });
    const rate = timesCapacity * capacity;
    const overloaded = await this.#load({ ...atRate, forMs, rate });
    this.#judge(overloaded, { idle, steady, capacity });
    count(this.#bounds.counts, 'requests', this.#sent);
  }

  /** Every answer there was, against the topic; and the end in order. */
  async close(): Promise<void> {
    const landed = await landedPoints(this.#deployment.broker);
    const wrong = this.#loads.flatMap((load) => wrongIn(load, landed));
    if (wrong.length > 0) {
      this.#bounds.find(`${wrong.length} requests: ${wrong.slice(0, 5).join('; ')}`);
    }
    const code = await this.#process.end('SIGTERM', 60_000);
    if (code !== 0) this.#bounds.find(`the gateway ended with ${code} after SIGTERM`);
  }

  #judge(
    { load, questions, watched }: Loaded,
    { idle, steady, capacity }: { idle: HttpProbeResult; steady: Loaded; capacity: number },
  ): void {
    const bounds = this.#bounds;
    const { answers, sent, seconds } = load;
    const times = sent / seconds / capacity;
    const taken = answers.filter(({ status }) => status === 202).length;
    bounds.say(
      `  offered ${times.toFixed(1)} times that: ${taken} requests taken, ${sent - taken} not`,
    );
    count(bounds.counts, 'requests refused', sent - taken);
    if (times < timesCapacityMin) {
      bounds.unjudged('overload of the gateway', `only ${times.toFixed(1)} times its capacity`);
    }
    bounds.memory('gateway', watched, steady.watched, memoryLimit);
    bounds.eventLoop('gateway', watched);
    const [is, was] = [questions, idle].map(({ latenciesMs }) => percentile(latenciesMs, 0.99));
    const figure = `${is!.toFixed(1)} ms, ${(is! / was!).toFixed(1)} times idle`;
    bounds.inTime('questions, p99', is! <= queryTimesMax * was!, figure, watched);
    for (const [status, times] of Object.entries(questions.statuses)) {
      if (status !== '200') bounds.find(`${times} questions were answered with ${status}`);
    }
  }

  async #load(how: Pick<HttpLoad, 'forMs' | 'connections' | 'rate'>): Promise<Loaded> {
    const load: HttpLoad = {
      ...requestText(this.#vector),
      ...{ port: this.#port, first: this.#sent, ...how },
    };
    let result: HttpLoadResult | undefined;
    let questions: HttpProbeResult | undefined;
    const watched = await watchProcess({ pid: this.#process.pid, url: this.#url }, async () => {
      questions = await this.#askWhile(async () => {
        result = await answerOf(startThread('http-load', load));
      });
    });
    this.#sent += result!.sent;
    this.#loads.push(result!);
    return { load: result!, questions: questions!, watched };
  }

  async #askWhile(what: () => Promise<void>): Promise<HttpProbeResult> {
    const body = JSON.stringify({ points: [{ vector: this.#vector() }] });
    const questions: readonly HttpQuestion[] = [
      { method: 'GET', path: '/v1/models' },
      { method: 'POST', path: '/v1/assign', body },
    ];
    const probe: HttpProbe = { port: this.#port, questions, everyMs: askEveryMs };
    const thread = startThread('http-probe', probe);
    const answer = answerOf<HttpProbeResult>(thread);
    await what();
    thread.postMessage('end');
    return answer;
  }

  get #port(): number {
    return Number(new URL(this.#url).port);
  }
}
