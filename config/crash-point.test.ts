import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { crashPointNames } from '../support/index.ts';
import { crashPointOfEnvironment } from './index.ts';

const parse = (text: string) => crashPointOfEnvironment({ MEANSTREAM_TEST_CRASH_POINT: text });

test('every place can be named, with the arrival that is the last one', () => {
  for (const name of crashPointNames) {
    expect(parse(name)).toEqual({ name, arrival: 1 });
    expect(parse(`${name}:12`)).toEqual({ name, arrival: 12 });
  }
});

test('without the variable there is none', () => {
  expect(crashPointOfEnvironment({})).toBeUndefined();
  expect(parse('')).toBeUndefined();
});

test.each(['commited', 'committed:0', 'committed:', 'committed:x', ':1'])(
  '%s is refused rather than left out',
  (text) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'MEANSTREAM_INVALID_SETTING' }),
    );
  },
);

const support = join(import.meta.dirname, '..', 'dist', 'support', 'index.js');

test.each(['crashPoint', 'crashPointAfterSending'])(
  '%s ends the process by SIGKILL at the arrival that was asked for, and only there',
  (call) => {
    const script = `
      import { armCrashPoint, ${call} as at } from ${JSON.stringify(support)};
      armCrashPoint({ name: 'committed', arrival: 2 });
      for (const name of ['committed', 'fetched', 'produced', 'committed']) {
        console.log(name);
        at(name);
        await new Promise(setImmediate);
      }
      console.log('alive');`;
    const args = ['--input-type=module', '--eval', script];
    const { signal, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(signal).toBe('SIGKILL');
    expect(stdout.split('\n')).toEqual(['committed', 'fetched', 'produced', 'committed', '']);
  },
);
