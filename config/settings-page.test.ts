import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settingKeys, settingsPage, settingsSchema } from './index.ts';

test('docs/SETTINGS.md is what the table says; `meanstream config docs` makes it again', () => {
  const committed = readFileSync(new URL('../docs/SETTINGS.md', import.meta.url), 'utf8');
  expect(committed).toBe(settingsPage());
});

test('docs/settings.schema.json is what the table says; `meanstream config schema` makes it again', () => {
  const committed = readFileSync(new URL('../docs/settings.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(committed)).toEqual(settingsSchema());
});

test('every setting is on the page once', () => {
  const page = settingsPage();
  for (const key of settingKeys) expect(page.split(`| \`${key}\` |`)).toHaveLength(2);
});
