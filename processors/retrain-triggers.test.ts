import { expect, it } from 'vitest';
import { type RetrainTriggerOptions, RetrainTriggers } from './retrain-triggers.ts';

const at = (time: string, day = '2026-05-01') => Date.parse(`${day}T${time}Z`);
const nightly = { schedule: '0 3 * * *' };
const hourMs = 3_600_000;

/** As a task that was restarted in between: the state goes through JSON. */
function restarted(options: RetrainTriggerOptions, before: RetrainTriggers): RetrainTriggers {
  return new RetrainTriggers(options, JSON.parse(JSON.stringify(before.state)));
}

it('asks once at each due time, and not for those before it began', () => {
  const triggers = new RetrainTriggers(nightly);
  expect(triggers.onTime(at('10:00:00'), 0)).toBeUndefined();
  expect(triggers.onTime(at('02:59:59', '2026-05-02'), 0)).toBeUndefined();
  expect(triggers.onTime(at('03:00:00', '2026-05-02'), 0)).toEqual({
    trigger: 'schedule',
    reason: '0 3 * * *, due 2026-05-02T03:00:00.000Z',
  });
  expect(triggers.onTime(at('03:00:01', '2026-05-02'), 0)).toBeUndefined();
  expect(triggers.onTime(at('03:00:00', '2026-05-03'), 0)).toBeDefined();
});

it('asks once for all due times at which nobody was there, and then in its turn', () => {
  const triggers = new RetrainTriggers(nightly);
  triggers.onTime(at('10:00:00'), 0);
  const back = restarted(nightly, triggers);
  expect(back.onTime(at('12:00:00', '2026-05-05'), 0)?.reason).toContain('2026-05-02T03:00');
  expect(restarted(nightly, back).onTime(at('12:00:01', '2026-05-05'), 0)).toBeUndefined();
  expect(back.onTime(at('03:00:00', '2026-05-06'), 0)).toBeDefined();
});

it('lets another schedule begin when it is set, and a clock that goes back repeats nothing', () => {
  const triggers = new RetrainTriggers(nightly);
  triggers.onTime(at('10:00:00'), 0);
  const changed = restarted({ schedule: '0 4 * * *' }, triggers);
  expect(changed.onTime(at('12:00:00', '2026-05-05'), 0)).toBeUndefined();
  expect(changed.onTime(at('04:00:00', '2026-05-06'), 0)).toBeDefined();
  expect(changed.onTime(at('03:59:59', '2026-05-06'), 0)).toBeUndefined();
  expect(changed.onTime(at('04:00:00', '2026-05-06'), 0)).toBeUndefined();
});

it('waits for a model, and makes up for the due time then', () => {
  const triggers = new RetrainTriggers(nightly);
  expect(triggers.onTime(at('10:00:00'), undefined)).toBeUndefined();
  expect(triggers.onTime(at('03:00:00', '2026-05-02'), undefined)).toBeUndefined();
  expect(triggers.onTime(at('03:10:00', '2026-05-02'), 5)).toBeDefined();
});

it('asks after so many more records, counted from the last request of any kind', () => {
  const options = { everyPoints: 1_000, schedule: '0 3 * * *' };
  const triggers = new RetrainTriggers(options);
  triggers.onTime(at('10:00:00'), 5_000);
  expect(triggers.onTime(at('10:00:01'), 5_999)).toBeUndefined();
  expect(triggers.onTime(at('10:00:02'), 6_200)).toEqual({
    trigger: 'points',
    reason: '1200 records since the last request',
  });
  expect(restarted(options, triggers).onTime(at('10:00:03'), 7_199)).toBeUndefined();
  expect(triggers.onTime(at('03:00:00', '2026-05-02'), 7_100)?.trigger).toBe('schedule');
  expect(triggers.onTime(at('03:00:01', '2026-05-02'), 8_000)).toBeUndefined();
  expect(triggers.onTime(at('03:00:02', '2026-05-02'), 8_100)?.trigger).toBe('points');
});

it('answers an alarm outside the cool-down and within the budget of 24 hours', () => {
  const options = { onDrift: { cooldownMs: hourMs, budgetPerDay: 2 } };
  let triggers = new RetrainTriggers(options);
  const alarm = (hours: number) => {
    triggers = restarted(options, triggers);
    return triggers.onAlarm(at('00:00:00') + hours * hourMs, ['psi'], 0)?.reason;
  };
  expect([0, 0.5, 0.99, 1, 3, 23.9, 24, 24.5, 25].map(alarm)).toEqual([
    'drift: psi',
    undefined,
    undefined,
    'drift: psi',
    undefined,
    undefined,
    'drift: psi',
    undefined,
    'drift: psi',
  ]);
});

it('answers no alarm unless it is to, nor soon after a request of another kind', () => {
  expect(new RetrainTriggers(nightly).onAlarm(at('10:00:00'), ['psi'], 0)).toBeUndefined();
  const both = { ...nightly, onDrift: { cooldownMs: hourMs, budgetPerDay: 9 } };
  const triggers = new RetrainTriggers(both);
  triggers.onTime(at('10:00:00'), 0);
  triggers.onTime(at('03:00:00', '2026-05-02'), 0);
  expect(triggers.onAlarm(at('03:30:00', '2026-05-02'), ['psi'], 0)).toBeUndefined();
  expect(triggers.onAlarm(at('04:00:00', '2026-05-02'), ['psi'], 0)).toBeDefined();
});
