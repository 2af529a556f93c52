// How V8 is set for a process and all its threads.
//
// `heap-growing-percent`: how far its heap may grow before all of it is collected, as a share of what was left the last time. By
// itself V8 lets a small heap grow as little as 8 MB or up to four times as large, by how fast it grows.
//
//   processor  its heap is small (18 MB), its buffers are outside of it and grow with a backlog: V8 collected every third of a second
//   gateway    what waits for the log outlives the young generation: under overload 20 MB that are in use had become 75 before
//              V8 collected, where a steady stream has 35
//
// `interrupt-budget`: how much of a function runs before it is compiled with all optimizations; four times V8's own. What a
// processor does per point is machine code or a few loops, which reach it within moments; the hundred functions around them that
// run once per request or batch cost more to compile, while a backlog is worked off, than they take.

import { setFlagsFromString } from 'node:v8';

const flags = {
  processor: ['--heap-growing-percent=200', '--interrupt-budget=270336'],
  gateway: ['--heap-growing-percent=50'],
} as const;

export function setV8Flags(of: keyof typeof flags): void {
  for (const flag of flags[of]) setFlagsFromString(flag);
}
