// What becomes of a request for a retrain, newest state by id on `retrains`. Its id is the offset of the request on
// `model-commands`, which everybody who reads both can tell.
//
//   requested ──► running ──► done | failed | cancelled        requested ──► skipped (a later request covers it) | cancelled

import type { RetrainTrigger } from './messages.ts';

export interface RetrainState {
  readonly id: string;
  readonly state: 'requested' | 'running' | 'done' | 'failed' | 'skipped' | 'cancelled';
  readonly trigger: RetrainTrigger;
  readonly requestedBy: string;
  readonly reason: string;
  readonly requestedAtMs: number;
  /** Of the model to be made; null keeps the current model's. */
  readonly k: number | null;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The process that runs it. */
  readonly runner: string | null;
  readonly progress: RetrainPhase | null;
  readonly report: RetrainOutcome | null;
  /** Why it failed, or was skipped or cancelled. */
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** Replay counts records; a fit has no known end. */
export interface RetrainPhase {
  readonly phase: string;
  /** 0…1, null where nobody can know. */
  readonly share: number | null;
  readonly text: string;
}

export interface RetrainOutcome {
  readonly version: string;
  readonly parent: string;
  readonly points: number;
  /** Σ squared distance of the same points in the same space, with the new model and with its parent. */
  readonly inertia: number;
  readonly parentInertia: number;
  readonly promoted: boolean;
  readonly durationMs: number;
}
