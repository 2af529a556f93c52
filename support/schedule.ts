// Cron expressions, in UTC: "minute hour day month weekday", with seconds before them when there are six, or @hourly and the like.

import { Cron } from 'croner';

/** The first time after `afterMs` at which it is due; undefined when there is none any more. */
export function nextDueMs(schedule: string, afterMs: number): number | undefined {
  return cronOf(schedule).nextRun(new Date(afterMs))?.getTime();
}

/** @returns what is wrong with it, undefined when nothing is */
export function scheduleFault(schedule: string): string | undefined {
  if (!/^(@\w+|\S+( +\S+){4,5})$/.test(schedule)) {
    return 'it has five parts (minute hour day month weekday), or six with seconds before them';
  }
  try {
    return nextDueMs(schedule, 0) === undefined ? 'it is never due' : undefined;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '');
  }
}

/** Without a function to call it starts no timer. */
function cronOf(schedule: string): Cron {
  return new Cron(schedule, { timezone: 'UTC' });
}
