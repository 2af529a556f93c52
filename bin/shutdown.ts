// Signals of a long-running command. The first asks for a drain, a later one ends the process at once.

import { type ExitCode, exitCodes } from './exit-codes.ts';

/** npm hands the terminal's Ctrl-C on to its child, which got it already: two signals, one wish. */
const sameWishMs = 500;

/** A drain that takes longer than this is not going to end. */
const drainMsMax = 25_000;

export interface Shutdown {
  /** Aborted by the first SIGINT or SIGTERM, or by `stop`. */
  readonly signal: AbortSignal;
  /** What to exit with after the drain. */
  exitCode(): ExitCode;
  stop(): void;
}

export function listenForSignals(): Shutdown {
  const controller = new AbortController();
  let exitCode: ExitCode = exitCodes.ok;
  let firstAtMs = 0;
  const onSignal = (name: NodeJS.Signals) => {
    const code = name === 'SIGINT' ? exitCodes.interrupted : exitCodes.ok;
    if (controller.signal.aborted) {
      if (Date.now() - firstAtMs > sameWishMs) process.exit(exitCodes.interrupted);
      return;
    }
    firstAtMs = Date.now();
    exitCode = code;
    process.stderr.write('stopping: committing what is in hand (Ctrl-C again ends at once)\n');
    controller.abort();
    setTimeout(() => {
      process.stderr.write(`the drain did not end within ${drainMsMax} ms; nothing is lost\n`);
      process.exit(exitCodes.timeout);
    }, drainMsMax).unref();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    stop: () => controller.abort(),
  };
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
