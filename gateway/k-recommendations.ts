// Recommendations of K asked for over HTTP: one runs at a time, the newest few are kept in memory. Who computes them is
// the process's business; the gateway only starts one and says how it is getting on.

import { type Clock, type Logger, MeanstreamError } from '../support/index.ts';
import { ProblemError } from './problem.ts';

export interface KRequest {
  /** The largest K to look at. */
  readonly kMax: number;
  /** Default: the setting's. */
  readonly seed?: number;
}

export interface KProgress {
  readonly records: number;
  readonly of: number;
}

/** Replays the log and scores every K. The report is shown as it is. */
export type RecommendK = (
  request: KRequest,
  onProgress: (progress: KProgress) => void,
) => Promise<object>;

export interface KRecommendationState {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly requestedAt: string;
  readonly request: KRequest;
  readonly progress: KProgress | null;
  readonly report: object | null;
  /** Why it failed. */
  readonly error: { readonly code: string; readonly detail: string } | null;
}

const keptMax = 16;

export class KRecommendations {
  readonly #recommend: RecommendK;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #states = new Map<string, KRecommendationState>();
  #last = 0;

  constructor({
    recommend,
    clock,
    logger,
  }: { recommend: RecommendK; clock: Clock; logger: Logger }) {
    this.#recommend = recommend;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Newest first. */
  list(): KRecommendationState[] {
    return [...this.#states.values()].reverse();
  }

  get(id: string): KRecommendationState | undefined {
    return this.#states.get(id);
  }

  /** @throws ProblemError (429) while another one runs. */
  start(request: KRequest): KRecommendationState {
    const running = this.list().find(({ state }) => state === 'running');
    if (running !== undefined) {
      throw new ProblemError(
        'too-many-requests',
        `Recommendation ${running.id} is still running; GET /v1/k-recommendations/${running.id} says how far it is.`,
        { headers: { 'retry-after': '1' } },
      );
    }
    this.#last += 1;
    const id = String(this.#last);
    const requestedAt = new Date(this.#clock.nowMs()).toISOString();
    const empty = { progress: null, report: null, error: null };
    this.#states.set(id, { id, state: 'running', requestedAt, request, ...empty });
    if (this.#states.size > keptMax) this.#states.delete(this.#states.keys().next().value!);
    void this.#run(id, request);
    return this.#states.get(id)!;
  }

  async #run(id: string, request: KRequest): Promise<void> {
    try {
      const report = await this.#recommend(request, (progress) => this.#update(id, { progress }));
      this.#update(id, { state: 'done', report });
    } catch (err) {
      this.#logger.warn({ err, id }, 'a recommendation of K has failed');
      const isOurs = err instanceof MeanstreamError;
      const code = isOurs ? err.code : 'MEANSTREAM_INTERNAL_ERROR';
      const detail = isOurs ? err.message : 'It failed; the log of the service says why.';
      this.#update(id, { state: 'failed', error: { code, detail } });
    }
  }

  #update(id: string, change: Partial<KRecommendationState>): void {
    const before = this.#states.get(id);
    if (before !== undefined) this.#states.set(id, { ...before, ...change });
  }
}
