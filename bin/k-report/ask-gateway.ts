// A recommendation of K from a running `dev` or gateway: asked for, followed, and taken as its report.

import type { KReport, RecommendKProgress } from '../../jobs/index.ts';
import { type Clock, DependencyDownError, MeanstreamError } from '../../support/index.ts';

export interface AskOptions {
  readonly url: string;
  readonly request: { readonly kMax: number; readonly seed?: number };
  readonly onProgress: (progress: RecommendKProgress) => void;
  readonly clock: Clock;
}

interface State {
  readonly id: string;
  readonly progress: RecommendKProgress | null;
  readonly report: KReport | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

const path = '/v1/k-recommendations';
const pollMs = 200;

/** @throws DependencyDownError when nothing answers; otherwise what the gateway says, with its code */
export async function askGateway({
  url,
  request,
  onProgress,
  clock,
}: AskOptions): Promise<KReport> {
  const started = await answer(url, path, { method: 'POST', body: JSON.stringify(request) });
  for (;;) {
    const { progress, report, error } = await answer(url, `${path}/${started.id}`);
    if (report !== null) return report;
    if (error !== null) throw new MeanstreamError(error.code, error.detail);
    if (progress !== null) onProgress(progress);
    await clock.sleep(pollMs);
  }
}

async function answer(url: string, at: string, init: RequestInit = {}): Promise<State> {
  let response: Response;
  try {
    response = await fetch(new URL(at, url), init);
  } catch (cause) {
    throw new DependencyDownError(
      `Nothing answers at ${url}; start \`meanstream dev\`, name a gateway with --url, or set bootstrap.servers.`,
      { url, cause },
    );
  }
  const body = (await response.json()) as State & { code?: string; detail?: string };
  if (response.ok) return body;
  throw new MeanstreamError(
    body.code ?? 'MEANSTREAM_DEPENDENCY_DOWN',
    body.detail ?? `${url} answered ${response.status}.`,
  );
}
