// Starts one of the worker threads of this folder, which import nothing of ours. Compiled it is taken as it is; under vitest,
// which runs from the sources, its types are taken away here.
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import ts from 'typescript';

export function startThread(name: 'http-load' | 'http-probe', workerData: unknown): Worker {
  const extension = extname(import.meta.url);
  const file = new URL(`./${name}${extension}`, import.meta.url);
  return new Worker(extension === '.ts' ? asJavaScript(file) : file, { workerData });
}

function asJavaScript(file: URL): URL {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  return new URL(`data:text/javascript,${encodeURIComponent(outputText)}`);
}

/** The one message by which a thread answers before it ends. */
export function answerOf<T>(thread: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) =>
      reject(new Error(`the thread ended with ${code}, without a word`)),
    );
  });
}
