// Where the time of this thread goes, by stage of the pipeline: V8's sampling profiler, each sample given to the stage
// whose file its stack came through last. What libraries do on threads of their own is not seen.

import { readFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';

export interface Stage {
  readonly name: string;
  /** Path ends of built files, without ".js": from here inward it is this stage … */
  readonly files: readonly string[];
  /** … even where files of others are called. */
  readonly keeps?: boolean;
}

export interface StageTime {
  readonly stage: string;
  readonly seconds: number;
}

const intervalMicros = 250;
const garbage = 'garbage collection';
const rest = 'everything else';

/** Time by stage in the order of `stages`, idle time left out. */
export async function profiled(
  stages: readonly Stage[],
  work: () => Promise<unknown>,
): Promise<StageTime[]> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: intervalMicros });
  await session.post('Profiler.start');
  await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return timesOf(profile, stages);
}

/** The same of what `node --cpu-prof` has written: of another process. */
export function profiledFile(path: string, stages: readonly Stage[]): StageTime[] {
  return timesOf(JSON.parse(readFileSync(path, 'utf8')) as Profiler.Profile, stages);
}

function timesOf(profile: Profiler.Profile, stages: readonly Stage[]): StageTime[] {
  const seconds = secondsByStage(profile, stages);
  return [...stages.map(({ name }) => name), garbage, rest].map((stage) => ({
    stage,
    seconds: seconds.get(stage) ?? 0,
  }));
}

function secondsByStage(profile: Profiler.Profile, stages: readonly Stage[]): Map<string, number> {
  const stageOf = stagesOfNodes(profile.nodes, stages);
  const seconds = new Map<string, number>();
  const { samples = [], timeDeltas = [] } = profile;
  for (const [i, node] of samples.entries()) {
    const stage = stageOf.get(node);
    if (stage === undefined) continue;
    seconds.set(stage, (seconds.get(stage) ?? 0) + timeDeltas[i]! / 1e6);
  }
  return seconds;
}

/** Nodes come parents first; idle ones get none. */
function stagesOfNodes(
  nodes: readonly Profiler.ProfileNode[],
  stages: readonly Stage[],
): Map<number, string> {
  const named = new Map<number, string>();
  const inherited = new Map<number, Stage | undefined>();
  for (const { id, callFrame, children = [] } of nodes) {
    const above = inherited.get(id);
    const stage = above?.keeps ? above : (stageOfFile(callFrame.url, stages) ?? above);
    for (const child of children) inherited.set(child, stage);
    const name = nameOf(callFrame.functionName, stage);
    if (name !== undefined) named.set(id, name);
  }
  return named;
}

function nameOf(functionName: string, stage: Stage | undefined): string | undefined {
  if (functionName === '(idle)') return undefined;
  if (functionName === '(garbage collector)') return garbage;
  return stage?.name ?? rest;
}

function stageOfFile(url: string, stages: readonly Stage[]): Stage | undefined {
  return stages.find(({ files }) => files.some((file) => url.endsWith(`/${file}.js`)));
}
