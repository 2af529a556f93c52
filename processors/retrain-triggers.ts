// When a retrain is to be asked for. Pure: it is told the time, how far the model has read and what drift was reported.
//
//   schedule     a cron expression. A due time is asked for once; those that passed while nobody was there are asked for as one,
//                when somebody is there again. A schedule that is new, or another one, begins now
//   points       every so many records that the model has read since the last time
//   drift        an alarm about the generation in use, outside the cool-down after the last request of any kind, and within the
//                budget of 24 hours; one that is not granted is no debt: drift that stays raises the next alarm

import { nextDueMs } from '../support/index.ts';

export interface RetrainTriggerOptions {
  readonly schedule?: string | undefined;
  readonly everyPoints?: number | undefined;
  readonly onDrift?: { readonly cooldownMs: number; readonly budgetPerDay: number } | undefined;
}

/** What is remembered: small, and put with every request. */
export interface RetrainTriggerState {
  /** The schedule `sinceMs` belongs to. */
  readonly schedule: string | null;
  /** Due times up to this one are done with. */
  readonly sinceMs: number;
  /** How far the model had read at the last request; -1 before it was first seen. */
  readonly position: number;
  readonly requestedMs: number;
  /** Requests of the last 24 hours that drift made. */
  readonly driftMs: readonly number[];
}

export interface RetrainRequest {
  readonly trigger: 'schedule' | 'points' | 'drift';
  readonly reason: string;
}

const dayMs = 86_400_000;
const nothing: RetrainTriggerState = {
  ...{ schedule: null, sinceMs: -1, position: -1, requestedMs: 0 },
  driftMs: [],
};

export class RetrainTriggers {
  readonly #options: RetrainTriggerOptions;
  #state: RetrainTriggerState;

  constructor(options: RetrainTriggerOptions, state: RetrainTriggerState = nothing) {
    this.#options = options;
    this.#state = state;
  }

  get state(): RetrainTriggerState {
    return this.#state;
  }

  /** @param position records the current model has read; undefined without a model. Nothing can be retrained then. */
  onTime(nowMs: number, position: number | undefined): RetrainRequest | undefined {
    this.#begin(nowMs, position);
    if (position === undefined) return undefined;
    return this.#onSchedule(nowMs, position) ?? this.#onPoints(nowMs, position);
  }

  onAlarm(
    atMs: number,
    detectors: readonly string[],
    position: number,
  ): RetrainRequest | undefined {
    const { onDrift } = this.#options;
    if (onDrift === undefined) return undefined;
    const driftMs = this.#state.driftMs.filter((ms) => ms > atMs - dayMs);
    if (atMs - this.#state.requestedMs < onDrift.cooldownMs) return undefined;
    if (driftMs.length >= onDrift.budgetPerDay) return undefined;
    this.#requested(atMs, position, { driftMs: [...driftMs, atMs] });
    return { trigger: 'drift', reason: `drift: ${detectors.join(', ')}` };
  }

  /** From when the schedule counts, and the points. */
  #begin(nowMs: number, position: number | undefined): void {
    const { schedule = null } = this.#options;
    if (schedule !== this.#state.schedule) {
      this.#state = { ...this.#state, schedule, sinceMs: nowMs };
    }
    if (this.#state.position < 0 && position !== undefined) {
      this.#state = { ...this.#state, position };
    }
  }

  #onSchedule(nowMs: number, position: number): RetrainRequest | undefined {
    const { schedule } = this.#options;
    if (schedule === undefined) return undefined;
    const dueMs = nextDueMs(schedule, this.#state.sinceMs);
    if (dueMs === undefined || dueMs > nowMs) return undefined;
    this.#requested(nowMs, position, { sinceMs: nowMs });
    return { trigger: 'schedule', reason: `${schedule}, due ${new Date(dueMs).toISOString()}` };
  }

  #onPoints(nowMs: number, position: number): RetrainRequest | undefined {
    const { everyPoints } = this.#options;
    const more = position - this.#state.position;
    if (everyPoints === undefined || more < everyPoints) return undefined;
    this.#requested(nowMs, position, {});
    return { trigger: 'points', reason: `${more} records since the last request` };
  }

  #requested(atMs: number, position: number, change: Partial<RetrainTriggerState>): void {
    this.#state = { ...this.#state, position, requestedMs: atMs, ...change };
  }
}
