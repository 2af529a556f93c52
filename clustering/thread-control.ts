// What the threads of a team (thread-team.ts) tell each other, in shared memory:
//
//   [tickets end, next ticket, parts done, task, stopped, failed, whether it is at work: of each worker]

export const slots = {
  end: 0,
  next: 1,
  done: 2,
  task: 3,
  stopped: 4,
  failed: 5,
  working: 6,
} as const;
export const failures = { none: 0, thrown: 1, lost: 2 } as const;
