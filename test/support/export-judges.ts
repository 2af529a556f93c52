// Other people's runtimes for exported models and for models to import, fetched once into .judges/ of this checkout: onnxruntime
// and scikit-learn from PyPI, JPMML by Maven. Each is undefined, with the reason, where it cannot be had.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './meanstream-process.ts';
import { judgesHome, judgesSource, moved, PythonVenv, tried } from './python-venv.ts';

export interface Judge {
  /** Why it cannot be asked; undefined when it can. */
  readonly missing: string | undefined;
  /** Lines that the judge prints for a model file and a file of little-endian float32 rows. */
  readonly ask: (model: string, rows: string) => Promise<string[]>;
}

const venv = new PythonVenv('requirements.txt');

export async function onnxJudge(): Promise<Judge> {
  return {
    missing: await venv.missing(),
    ask: (model, rows) => lines(venv.python, [join(judgesSource, 'onnx_judge.py'), model, rows]),
  };
}

export async function pmmlJudge(): Promise<Judge> {
  const jars = join(judgesHome, 'pmml');
  const missing = existsSync(jars) ? undefined : await fetchJars(jars);
  const ask = (model: string, rows: string) =>
    lines('java', ['-cp', `${jars}/*`, join(judgesSource, 'PmmlJudge.java'), model, rows]);
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
    missing: await venv.missing(),
    fit: async ({ rows, dims, kind, k, scaling, out }) => {
      const script = join(judgesSource, 'sklearn_fit.py');
      const printed = await lines(venv.python, [
        script,
        rows,
        `${dims}`,
        kind,
        `${k}`,
        scaling,
        out,
      ]);
      return printed.map(Number);
    },
  };
}

async function fetchJars(jars: string): Promise<string | undefined> {
  mkdirSync(judgesHome, { recursive: true });
  const arriving = `${jars}-${process.pid}`;
  const copy = ['dependency:copy-dependencies', `-DoutputDirectory=${arriving}`];
  const steps: [string, string[]][] = [
    ['javac', ['-version']],
    ['mvn', ['-B', '-q', '-f', join(judgesSource, 'pom.xml'), ...copy]],
  ];
  return (await tried(steps, 'a JDK 17 and Maven')) ?? moved(arriving, jars);
}

async function lines(program: string, args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runToEnd(program, args);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return stdout.trimEnd().split('\n');
}
