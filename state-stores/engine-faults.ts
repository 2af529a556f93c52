// Turns an engine's failure into what the runtime does next. Engines give texts, not codes, so the passing faults are
// known by their text and everything else counts as damage: rebuilding a sound store costs time, trusting a bad one
// costs the truth.

import { MeanstreamError, RetriableError, TaskCorruptedError } from '../support/index.ts';

/** Faults of the machine that leave the files as they are. */
const passingFaults =
  /lock hold|LOCK: |already held|No space left|Too many open files|Permission denied|Read-only file system|Not a directory|Cannot allocate memory|Input\/output error|Disk quota/i;

export function engineFault(store: string, act: string, cause: unknown): MeanstreamError {
  if (cause instanceof MeanstreamError) return cause;
  const text = texts(cause);
  if (passingFaults.test(text)) {
    return new RetriableError(
      `Store ${store} could not ${act}: ${text}; its files are left as they are and it is tried again.`,
      { cause, store },
    );
  }
  return new TaskCorruptedError(
    `Store ${store} could not ${act}: ${text}; it will be wiped and rebuilt from its changelog.`,
    { cause, store },
  );
}

/** The message with those of its causes: engines keep the telling one below. */
function texts(error: unknown): string {
  const parts: string[] = [];
  for (let at = error; at instanceof Error && parts.length < 4; at = at.cause) {
    const { code } = at as { code?: unknown };
    parts.push(typeof code === 'string' ? `${at.message} (${code})` : at.message);
  }
  return parts.length === 0 ? String(error) : parts.join(': ');
}
