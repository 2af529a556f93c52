// Other people's runtimes for exported models and for models to import, fetched once into .judges/ of this checkout: onnxruntime
// and scikit-learn from PyPI, JPMML by Maven. Each is undefined, with the reason, where it cannot be had.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './meanstream-process.ts';

const here = new URL('./judges/', import.meta.url).pathname;
const home = new URL('../../.judges/', import.meta.url).pathname;

export interface Judge {
  /** Why it cannot be asked; undefined when it can. */
  readonly missing: string | undefined;
  /** Lines that the judge prints for a model file and a file of little-endian float32 rows. */
  readonly ask: (model: string, rows: string) => Promise<string[]>;
}

/** One for each list of packages. */
const requirements = join(here, 'requirements.txt');
const listHash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 8);
const venv = join(home, `venv-${listHash}`);
const python = join(venv, 'bin', 'python');

export async function onnxJudge(): Promise<Judge> {
  return {
    missing: await missingVenv(),
    ask: (model, rows) => lines(python, [join(here, 'onnx_judge.py'), model, rows]),
  };
}

export async function pmmlJudge(): Promise<Judge> {
  const jars = join(home, 'pmml');
  const missing = existsSync(jars) ? undefined : await fetchJars(jars);
  const ask = (model: string, rows: string) =>
    lines('java', ['-cp', `${jars}/*`, join(here, 'PmmlJudge.java'), model, rows]);
  return { missing, ask };
}

/** scikit-learn itself: fits, writes what is to be imported, and says the cluster of every row. */
export interface ScikitLearn {
  readonly missing: string | undefined;
  readonly fit: (options: ScikitLearnFit) => Promise<number[]>;
}

export interface ScikitLearnFit {
  /** Little-endian float32. */
  readonly rows: string;
  readonly dims: number;
  readonly kind: 'KMeans' | 'MiniBatchKMeans';
  readonly k: number;
  readonly scaling: 'with-scaler' | 'bare';
  /** The .npz to write. */
  readonly out: string;
}

export async function scikitLearn(): Promise<ScikitLearn> {
  return {
    missing: await missingVenv(),
    fit: async ({ rows, dims, kind, k, scaling, out }) => {
      const script = join(here, 'sklearn_fit.py');
      const printed = await lines(python, [script, rows, `${dims}`, kind, `${k}`, scaling, out]);
      return printed.map(Number);
    },
  };
}

let making: Promise<string | undefined> | undefined;

async function missingVenv(): Promise<string | undefined> {
  if (existsSync(python)) return undefined;
  making ??= makeVenv();
  return making;
}

async function makeVenv(): Promise<string | undefined> {
  mkdirSync(home, { recursive: true });
  const arriving = join(home, `arriving-${process.pid}`);
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', arriving]],
    [
      join(arriving, 'bin', 'python'),
      ['-m', 'pip', 'install', '--quiet', '--requirement', requirements],
    ],
  ];
  return (await tried(steps, 'Python 3 with venv and pip')) ?? moved(arriving, venv);
}

async function fetchJars(jars: string): Promise<string | undefined> {
  mkdirSync(home, { recursive: true });
  const arriving = `${jars}-${process.pid}`;
  const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${arriving}`];
  const steps: [string, string[]][] = [
    ['javac', ['-version']],
    ['mvn', ['-B', '-q', '-f', join(here, 'pom.xml'), ...copy]],
  ];
  return (await tried(steps, 'a JDK 17 and Maven')) ?? moved(arriving, jars);
}

async function tried(
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

function moved(from: string, to: string): undefined {
  renameSync(from, to);
}

async function lines(program: string, args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runToEnd(program, args);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return stdout.trimEnd().split('\n');
}
