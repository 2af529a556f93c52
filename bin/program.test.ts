import type { Command } from 'commander';
import { afterEach, expect, test, vi } from 'vitest';
import { kMaxDefault, kMaxMax } from '../clustering/index.ts';
import { exitCodes, exitCodesHelp } from './exit-codes.ts';
import { buildProgram, main } from './program.ts';

let written = '';

function capture(stream: 'stdout' | 'stderr'): void {
  vi.spyOn(process[stream], 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
}

afterEach(() => {
  vi.restoreAllMocks();
  written = '';
  process.exitCode = undefined;
});

function run(...args: string[]): Promise<number> {
  capture('stdout');
  capture('stderr');
  return main(['node', 'meanstream', ...args]);
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

test('the help of every command ends with an example', async () => {
  for (const command of leaves(buildProgram())) {
    written = '';
    const names: string[] = [];
    for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
    expect(await run(...names, '--help')).toBe(0);
    expect(written, names.join(' ')).toMatch(/Example:\n {2}\$ meanstream /);
    vi.restoreAllMocks();
  }
});

test('every exit code stands in --help', async () => {
  await run('--help');
  expect(written).toContain(exitCodesHelp);
  for (const code of Object.values(exitCodes)) {
    expect(exitCodesHelp).toMatch(new RegExp(`^  ${code}\\s`, 'm'));
  }
});

test('the help of k-recommend says how far it looks, and beyond that is a usage error', async () => {
  await run('k-recommend', '--help');
  expect(written).toContain(`2 to ${kMaxMax} (default: ${kMaxDefault})`);
  for (const wrong of ['1', '2.5', 'many', String(kMaxMax + 1)]) {
    expect(await run('k-recommend', '--k-max', wrong), wrong).toBe(exitCodes.usage);
  }
});

test('a mistyped command is a usage error with a suggestion', async () => {
  expect(await run('tial')).toBe(exitCodes.usage);
  expect(written).toContain('Did you mean tail?');
});

test('a mistyped option is a usage error with a suggestion', async () => {
  expect(await run('dev', '--prot', '1')).toBe(exitCodes.usage);
  expect(written).toContain('Did you mean --port?');
});

test('wrong settings are all named, and the exit code is 2', async () => {
  const code = await run('config', 'print', '--set', 'model.kk=1', '--set', 'http.port=-1');
  expect(code).toBe(exitCodes.usage);
  expect(written).toContain('MEANSTREAM_INVALID_SETTING: 2 settings are wrong');
  expect(written).toContain('did you mean model.k?');
  expect(written).toContain('must be a whole number from 0 to 65535');
});

test('a service without Kafka says what to set', async () => {
  expect(await run('processor')).toBe(exitCodes.usage);
  expect(written).toContain('bootstrap.servers');
});

test('config print shows values with their origin, as JSON too', async () => {
  expect(await run('config', 'print', '--json', '--set', 'model.k=5')).toBe(0);
  const printed = JSON.parse(written) as { key: string; value: unknown; origin: string }[];
  expect(printed.find(({ key }) => key === 'model.k')).toMatchObject({
    value: 5,
    origin: 'flag --set',
  });
});
