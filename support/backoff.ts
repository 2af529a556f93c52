// How long to rest before the next attempt at what has failed: twice as long each time, up to a maximum.

export interface BackoffLimits {
  readonly msMin: number;
  readonly msMax: number;
}

/** @param beforeMs the rest before; 0 where the last attempt went well */
export function nextBackoffMs(beforeMs: number, { msMin, msMax }: BackoffLimits): number {
  return Math.min(msMax, Math.max(msMin, beforeMs * 2));
}
