// What a process of ours takes while something happens to it: resident memory and how long it waited for a core, as Linux
// keeps them, and how late its event loop was, as it says itself.
import { readFileSync } from 'node:fs';
import { sleep } from './meanstream-process.ts';
import { metricSum } from './metrics.ts';

export interface Watched<T = unknown> {
  /** Of what was done meanwhile. */
  readonly result: T;
  readonly residentMedian: number;
  readonly residentMax: number;
  /** The longest p99 of an interval of the process's own. */
  readonly eventLoopP99Ms: number;
  /** Of the time, how much of it the main thread could have run and got no core. */
  readonly waitedShare: number;
  readonly seconds: number;
}

const sampleMs = 100;
/** It takes a request to ask for it. */
const eventLoopEverySamples = 10;

export async function watchProcess<T>(
  { pid, url }: { readonly pid: number; readonly url: string },
  what: () => Promise<T>,
): Promise<Watched<T>> {
  const resident: number[] = [];
  let eventLoopP99Ms = 0;
  let before: number | undefined;
  let isOver = false;
  const startedMs = performance.now();
  const waitedBefore = waitedNs(pid);
  const sampling = (async () => {
    for (let sample = 0; !isOver; sample += 1) {
      resident.push(residentBytes(pid));
      if (sample % eventLoopEverySamples === 0) {
        // A process that does not answer now will be asked again; whether it lives is for others to find out.
        const ms = await eventLoopMs(url).catch(() => before ?? 0);
        // Until it is another it is of the time before.
        before ??= ms;
        if (ms !== before) eventLoopP99Ms = Math.max(eventLoopP99Ms, ms);
      }
      await sleep(sampleMs);
    }
  })();
  const result = await what().finally(() => {
    isOver = true;
  });
  await sampling;
  const seconds = (performance.now() - startedMs) / 1_000;
  resident.sort((a, b) => a - b);
  return {
    result,
    residentMedian: resident[resident.length >> 1]!,
    residentMax: resident.at(-1)!,
    eventLoopP99Ms,
    waitedShare: (waitedNs(pid) - waitedBefore) / 1e9 / seconds,
    seconds,
  };
}

async function eventLoopMs(url: string): Promise<number> {
  return (await metricSum(url, 'meanstream_event_loop_lag_seconds')) * 1_000;
}

function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line![1]) * 1_024;
}

/** The second number of the scheduler's statistics: runnable, and not running. */
function waitedNs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]);
}
