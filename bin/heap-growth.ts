// How far V8's heap may grow before all of it is collected, as a share of what was left the last time. By itself V8 lets a small
// heap grow as little as 8 MB or up to four times as large, by how fast it grows.
//
//   processor  its heap is small (18 MB), its buffers are outside of it and grow with a backlog: V8 collected every third of a second
//   gateway    what waits for the log outlives the young generation: under overload 20 MB that are in use had become 75 before
//              V8 collected, where a steady stream has 35

import { setFlagsFromString } from 'node:v8';

const growingPercent = { processor: 200, gateway: 50 } as const;

/** For this process and all its threads. */
export function boundHeapGrowth(of: keyof typeof growingPercent): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent[of]}`);
}
