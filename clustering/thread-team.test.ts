import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

// Worker threads run built files, and the calling thread is blocked meanwhile: so the fit is in a process of its own, where a
// preloaded module makes one of its threads end.

const points = 400_000;

/** At the `ticket`th ticket that a worker thread takes, that thread ends as on a fatal error of its own. */
function dyingAt(ticket: number): string {
  return `const { isMainThread } = require('node:worker_threads');
    const take = Atomics.compareExchange;
    let taken = 0;
    if (!isMainThread) Atomics.compareExchange = (...ticket) => {
      const found = take(...ticket);
      if (found === ticket[2] && ++taken === ${ticket}) process.exit(7);
      return found;
    };`;
}

const dyingAtStart = `const { isMainThread } = require('node:worker_threads');
  if (!isMainThread) process.exit(7);`;

/** @param preloaded in every thread */
async function fitWith(preloaded: string): Promise<{ code: string | null; inertia: number }> {
  const clustering = new URL('../dist/clustering/index.js', import.meta.url).href;
  const program = `import { chooseKernels, fitFullBatch } from '${clustering}';
    const values = new Float32Array(${points * 4});
    for (let i = 0; i < values.length; i++) values[i] = Math.sin(i * i);
    const initial = Float64Array.from(values.subarray(0, 32));
    const { kernels } = chooseKernels();
    const each = { values, n: ${points}, dims: 4, k: 8, seed: 1, nInit: 0, initial, kernels };
    const answer = { code: null, inertia: 0 };
    try {
      answer.inertia = fitFullBatch({ ...each, iterationsMax: 200, tolerance: 0, threads: 2 }).inertia;
    } catch (error) {
      answer.code = error.code;
    }
    console.log(JSON.stringify(answer));`;
  const folder = mkdtempSync(join(tmpdir(), 'thread-team-'));
  const [preload, main] = [join(folder, 'preload.cjs'), join(folder, 'main.mjs')];
  writeFileSync(preload, preloaded);
  writeFileSync(main, program);
  const child = spawn(process.execPath, ['--require', preload, main], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  rmSync(folder, { recursive: true });
  return JSON.parse(output) as { code: string | null; inertia: number };
}

describe('a thread of a fit that ends', () => {
  it.each([1, 40])(
    'in the middle of a part, its number %i, ends the fit with an error',
    async (ticket) => {
      expect(await fitWith(dyingAt(ticket))).toEqual({ code: 'MEANSTREAM_RETRIABLE', inertia: 0 });
    },
  );

  it('before it has taken a part leaves the fit to the others', async () => {
    const whole = await fitWith('');
    expect(whole).toEqual({ code: null, inertia: expect.any(Number) });
    expect(await fitWith(dyingAtStart)).toEqual(whole);
  });
});
