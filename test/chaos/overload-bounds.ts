// The bounds of R10, and when a figure can be judged by one. How late something comes depends on who has the cores: on a
// machine whose cores are shared by the load, Kafka and whatever else runs, a process waits for a core, and that is no fault
// of its. So each figure is said, always; one of time that is out of its bound is a finding when the process had its core,
// and else it counts as not judged, with the share of the time that its main thread waited. What is lost, refused wrongly
// or held in memory is a finding whoever has the cores.
import type { KafkaDeployment } from '../support/kafka-deployment.ts';
import type { Watched } from '../support/process-watch.ts';
import { type Counts, count } from './chaos-row.ts';
import type { Say } from './field.ts';

export const timesCapacity = 5;
/** Offered less than this, it was no such overload. */
export const timesCapacityMin = 4.5;
const waitedShareMax = 0.02;
const steadyTimesMax = 1.5;
/** Younger than this a process is not yet as large as it is in a steady stream. */
const steadySecondsMin = 10;
const eventLoopMsMax = 100;
const mib = 1_048_576;

/** What both halves of a round share. */
export interface Overloaded {
  readonly deployment: KafkaDeployment;
  readonly bounds: Bounds;
  /** The next point. */
  readonly vector: () => number[];
}

export class Bounds {
  readonly counts: Counts = {};
  readonly findings: string[] = [];
  readonly say: Say;

  constructor(say: Say) {
    this.say = say;
  }

  find(finding: string): void {
    this.say(`  ${finding}`);
    this.findings.push(finding);
  }

  unjudged(what: string, why: string): void {
    this.say(`  not judged: ${what}: ${why}`);
    count(this.counts, `not judged: ${what}`);
  }

  /** A figure of time, of a process that has been watched meanwhile. */
  inTime(what: string, isWithin: boolean, figure: string, { waitedShare }: Watched): void {
    this.say(`  ${what}: ${figure}`);
    if (isWithin) return;
    const waited = `its main thread waited for a core ${percent(waitedShare)}`;
    if (waitedShare > waitedShareMax) this.unjudged(what, `${figure}, but ${waited}`);
    else this.find(`${what}: ${figure}`);
  }

  eventLoop(who: string, watched: Watched): void {
    const ms = watched.eventLoopP99Ms;
    const figure = `${ms.toFixed(1)} ms for ${eventLoopMsMax}`;
    this.inTime(`event loop of the ${who}, p99`, ms <= eventLoopMsMax, figure, watched);
  }

  /** @param limit what its container is given on Kubernetes. */
  memory(who: string, overloaded: Watched, steady: Watched, limit: number): void {
    const [is, was] = [overloaded.residentMax, steady.residentMedian];
    const figure = `${Math.round(is / mib)} MiB, ${(is / was).toFixed(2)} times ${Math.round(was / mib)}`;
    this.say(`  memory of the ${who}: ${figure}`);
    if (is > limit) this.find(`memory of the ${who}: ${figure}, ${limit / mib} MiB is the most`);
    if (is <= steadyTimesMax * was) return;
    if (steady.seconds >= steadySecondsMin) this.find(`memory of the ${who}: ${figure}`);
    else this.unjudged(`memory of the ${who}`, `${figure}, after ${Math.round(steady.seconds)} s`);
  }
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} % of the time`;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
