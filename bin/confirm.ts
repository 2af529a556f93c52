// A question on the terminal before something that cannot be undone.

import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/** @returns true for "y" and "yes" only: not for Enter, Ctrl-C or the end of the input. */
export async function confirm(
  question: string,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  const lines = createInterface({ input, output });
  try {
    return await new Promise((resolve) => {
      lines.once('close', () => resolve(false));
      lines.question(`${question} [y/N] `, (answer) => resolve(/^\s*y(es)?\s*$/i.test(answer)));
    });
  } finally {
    lines.close();
  }
}
