import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { confirm } from './confirm.ts';

function answered(text: string): Promise<boolean> {
  const input = new PassThrough();
  const answer = confirm('Go on?', { input, output: new PassThrough() });
  input.end(text);
  return answer;
}

test('y and yes are a yes, in any case', async () => {
  for (const text of ['y\n', 'Yes\n', ' YES \n']) expect(await answered(text), text).toBe(true);
});

test('everything else is a no, the end of the input too', async () => {
  for (const text of ['\n', 'n\n', 'yess\n', 'ok\n', '']) {
    expect(await answered(text), JSON.stringify(text)).toBe(false);
  }
});
