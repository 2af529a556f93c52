// Requests from a process to the cluster and their answers: delayed, lost, late, delivered twice. Answers to different
// requests overtake each other. Whoever hears nothing within the limit does not know what happened.

import { nextTurn, type Random } from '../../support/index.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface NetworkFaults {
  /** Of each, the share of requests it happens to. */
  readonly requestLost: number;
  readonly requestLate: number;
  readonly answerLost: number;
  readonly doubled: number;
  /** Usual delays are below; one in ten takes up to ten times as long. */
  readonly delayMsMax: number;
}

export const noNetworkFaults: NetworkFaults = {
  requestLost: 0,
  requestLate: 0,
  answerLost: 0,
  doubled: 0,
  delayMsMax: 3,
};

/** No answer came: perhaps it was done, perhaps not, perhaps it will be. */
export class NoAnswerError extends Error {}

export interface CallOptions {
  readonly what: string;
  /** Doing it twice is the same as once, by the cluster's own rules. */
  readonly mayDouble?: boolean;
  /** Added to the limit for answers that are waited for. */
  readonly waitMs?: number;
}

const answerMsMax = 400;

export class Network {
  faults: NetworkFaults = noNetworkFaults;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #note: (text: string) => void;

  constructor(scheduler: Scheduler, random: Random, note: (text: string) => void) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#note = note;
  }

  /** @throws NoAnswerError, or what `handle` throws. */
  call<T>(
    from: SimulatedProcess,
    { what, mayDouble = false, waitMs = 0 }: CallOptions,
    handle: () => T | Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      from.pass(() => {
        const { requestLost, requestLate, answerLost, doubled } = this.faults;
        const fate = this.#random.float();
        const isLost = fate < requestLost;
        const isLate = !isLost && fate < requestLost + requestLate;
        const isUnanswered = this.#random.float() < answerLost;
        const isDoubled = mayDouble && this.#random.float() < doubled;
        const limitMs = answerMsMax + waitMs;
        if (isLost) this.#note(`${from.name} ${what}: the request is lost`);
        if (isLate) this.#note(`${from.name} ${what}: the request comes late`);
        if (isUnanswered) this.#note(`${from.name} ${what}: the answer is lost`);
        const giveUp = from.after(limitMs, () => reject(new NoAnswerError(`no answer to ${what}`)));
        const answer = (act: () => void) => {
          if (isUnanswered || isLate) return;
          from.after(this.#delayMs(), () => {
            giveUp();
            act();
          });
        };
        const arrive = async () => {
          try {
            const value = await handle();
            answer(() => resolve(value));
          } catch (error) {
            answer(() => reject(error));
          }
        };
        const delayMs = this.#delayMs();
        if (isLate) this.#scheduler.after(limitMs + 10 * delayMs, () => void arrive());
        else if (!isLost) this.#scheduler.after(delayMs, () => void arrive());
        if (isDoubled && !isLost) {
          this.#note(`${from.name} ${what}: the request comes twice`);
          this.#scheduler.after(delayMs + this.#delayMs(), async () => {
            await nextTurn();
            await Promise.resolve()
              .then(handle)
              .catch(() => {});
          });
        }
      });
    });
  }

  #delayMs(): number {
    const { delayMsMax } = this.faults;
    const usual = this.#random.float() * delayMsMax;
    return this.#random.float() < 0.1 ? usual * 10 : usual;
  }
}
