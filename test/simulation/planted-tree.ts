// The product with one mistake put in: its sources compiled into a folder of their own, one of them changed on the way. The
// product itself has no switch for it.

import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import ts from 'typescript';
import type { Hunt, Quarry } from './hunt.ts';

export interface Edit {
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
}

const root = join(import.meta.dirname, '..', '..');
const folders = [
  ...['support', 'schemas', 'clustering', 'broker', 'state-stores', 'processors', 'topology'],
  ...['runtime', 'test/simulation', 'test/oracle', 'test/support'],
];
const readWithThem = /\.(wasm|avsc|json)$/;
const notNeeded = /\.(test|d)\.ts$|-contract\.ts$/;

/** Compiles everything, sound. */
export function compileTree(to: string): void {
  for (const folder of folders) compileFolder(folder, to);
  writeFileSync(join(to, 'package.json'), '{"type":"module"}');
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'));
}

/** @returns a function that takes it out again. */
export function plant(tree: string, file: string, edits: readonly Edit[]): () => void {
  const sound = readFileSync(join(root, file), 'utf8');
  const to = join(tree, compiledName(file));
  let text = sound;
  for (const { find, replace } of edits) {
    const times = text.split(find).length - 1;
    if (times !== 1) throw new Error(`"${find}" is ${times} times in ${file}; mend the table`);
    text = text.replace(find, () => replace);
  }
  writeFileSync(to, compiled(text));
  return () => writeFileSync(to, compiled(sound));
}

/** @returns the first history that shows something, or undefined; also when it does not end in time. */
export async function huntIn(tree: string, hunt: Hunt, msMax: number): Promise<Quarry | undefined> {
  const worker = new Worker(join(tree, 'test/simulation/hunt.js'), { workerData: hunt });
  let late: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      late = setTimeout(() => resolve(undefined), msMax);
    });
  } finally {
    clearTimeout(late);
    await worker.terminate();
  }
}

function compileFolder(folder: string, to: string): void {
  mkdirSync(join(to, folder), { recursive: true });
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) compileFolder(path, to);
    else if (readWithThem.test(path)) cpSync(join(root, path), join(to, path));
    else if (path.endsWith('.ts') && !notNeeded.test(path)) {
      mkdirSync(dirname(join(to, path)), { recursive: true });
      writeFileSync(join(to, compiledName(path)), compiled(readFileSync(join(root, path), 'utf8')));
    }
  }
}

function compiledName(path: string): string {
  return path.replace(/\.ts$/, '.js');
}

function compiled(text: string): string {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  return outputText;
}
