// Starts the built command line as a child process, waits for what it prints, and ends it by its own pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { packageFile } from '../../bin/package-root.ts';

const entry = packageFile('dist', 'bin', 'meanstream.js');

export class MeanstreamProcess {
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  /** `program` may be another build of ours. */
  constructor(
    args: readonly string[],
    environment: Record<string, string> = {},
    program: string = entry,
  ) {
    this.#child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until either stream has matched; fails with what was printed when the process ends or the time is up. */
  async waitFor(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      if (found !== null) return found;
      if (!this.running || Date.now() > deadline) {
        throw new Error(
          `waited for ${pattern} but got:\n${this.#stdout.slice(-4_000)}\n${this.#stderr.slice(-4_000)}`,
        );
      }
      await sleep(25);
    }
  }

  /** Waits until it ends by itself. @returns the exit code, or the signal's name. */
  async exit(): Promise<number | string> {
    if (this.running) await once(this.#child, 'close');
    return this.#child.exitCode ?? this.#child.signalCode!;
  }

  /** Sends the signal and waits for the end. @returns the exit code, or the signal's name. */
  async end(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 35_000): Promise<number | string> {
    if (this.running) {
      this.#child.kill(signal);
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs);
      if (this.running) await once(this.#child, 'exit');
      clearTimeout(timer);
    }
    return this.#child.exitCode ?? this.#child.signalCode!;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the answer is truthy; an error is none yet. Fails with the description when the time is up. */
export async function eventually<T>(
  description: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`gave up waiting: ${description}${last === undefined ? '' : ` (${last})`}`);
    }
    await sleep(50);
  }
}

export interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of ours to its end. */
export function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  return runToEnd(process.execPath, [entry, ...args], { environment });
}

/** Runs any program to its end. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  { environment = {}, cwd }: { environment?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, stdout, stderr };
}
