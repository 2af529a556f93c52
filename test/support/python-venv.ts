// A Python of its own with the packages of a list in judges/, made once in .judges/ of this checkout.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './meanstream-process.ts';

export const judgesSource = new URL('./judges/', import.meta.url).pathname;
export const judgesHome = new URL('../../.judges/', import.meta.url).pathname;

export class PythonVenv {
  /** Its interpreter. */
  readonly python: string;
  readonly #requirements: string;
  readonly #folder: string;
  #making: Promise<string | undefined> | undefined;

  /** Another list is another folder. */
  constructor(list: string) {
    this.#requirements = join(judgesSource, list);
    const hash = createHash('sha256').update(readFileSync(this.#requirements)).digest('hex');
    this.#folder = join(judgesHome, `venv-${hash.slice(0, 8)}`);
    this.python = join(this.#folder, 'bin', 'python');
  }

  /** Makes it when it is not there. @returns why it cannot be had; undefined when it is there */
  async missing(): Promise<string | undefined> {
    if (existsSync(this.python)) return undefined;
    this.#making ??= this.#make();
    return this.#making;
  }

  async #make(): Promise<string | undefined> {
    mkdirSync(judgesHome, { recursive: true });
    const arriving = `${this.#folder}-${process.pid}`;
    const steps: [string, string[]][] = [
      ['python3', ['-m', 'venv', arriving]],
      [
        join(arriving, 'bin', 'python'),
        ['-m', 'pip', 'install', '--quiet', '--requirement', this.#requirements],
      ],
    ];
    return (await tried(steps, 'Python 3 with venv and pip')) ?? moved(arriving, this.#folder);
  }
}

/** Runs all steps. @returns why one failed */
export async function tried(
  steps: readonly [string, string[]][],
  needs: string,
): Promise<string | undefined> {
  for (const [program, args] of steps) {
    const ended = await runToEnd(program, args).catch((error: Error) => error);
    if (ended instanceof Error || ended.code !== 0) {
      return `needs ${needs}, and a way to their registry: ${program} failed`;
    }
  }
  return undefined;
}

/** Two test files may fetch the same at once: the first to arrive is kept. */
export function moved(from: string, to: string): undefined {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
    rmSync(from, { recursive: true });
  }
}
