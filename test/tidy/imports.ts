// Who may import whom. Data flows one way: a folder sees those below it, by their index.ts.

import type { ImportStatement, SourceFile, Violation } from './source-files.ts';

const product = [
  'support',
  'config',
  'schemas',
  'clustering',
  'broker',
  'state-stores',
  'sources',
  'exports',
  'imports',
  'processors',
  'topology',
  'runtime',
  'jobs',
  'gateway',
  'verification',
];

const mayImport: Readonly<Record<string, readonly string[]>> = {
  support: [],
  config: ['support'],
  schemas: ['support'],
  clustering: ['support'],
  broker: ['support', 'schemas'],
  'state-stores': ['support', 'schemas'],
  sources: ['support', 'schemas', 'broker'],
  exports: ['support', 'schemas'],
  imports: ['support', 'schemas', 'exports'],
  processors: ['support', 'schemas', 'clustering', 'state-stores'],
  topology: ['support', 'schemas', 'processors', 'state-stores'],
  runtime: ['support', 'schemas', 'broker', 'state-stores', 'processors', 'topology'],
  jobs: ['support', 'schemas', 'clustering', 'broker', 'state-stores', 'exports'],
  gateway: ['support', 'schemas', 'clustering', 'broker', 'state-stores'],
  verification: [
    'support',
    'schemas',
    'clustering',
    'broker',
    'state-stores',
    'exports',
    'processors',
    'jobs',
  ],
  bin: product,
  bench: product,
  examples: product,
};

export function importViolations(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => !file.isTest && file.folder !== '')
    .flatMap((file) =>
      file.imports.flatMap((each) => {
        const message = faultOf(file, each);
        return message === undefined ? [] : [{ path: file.path, line: each.line, message }];
      }),
    );
}

/** A folder's index may offer a test driver of its own; nothing else of the product sees what is for tests. */
function faultOf(file: SourceFile, { target }: ImportStatement): string | undefined {
  if (target === undefined) return undefined;
  const folder = target.slice(0, target.indexOf('/'));
  const isOwnDriver = folder === file.folder && file.path.endsWith('/index.ts');
  if (/\.test\.ts$|-contract\.ts$/.test(target) || (/\/testing\//.test(target) && !isOwnDriver)) {
    return `imports ${target}, which is for tests; move what is shared out of it`;
  }
  if (folder === file.folder) return undefined;
  const allowed = mayImport[file.folder];
  if (allowed === undefined) {
    return `lies in ${file.folder}/, which is not in the table of folders; put it into one that is`;
  }
  if (!allowed.includes(folder)) {
    const below = allowed.length === 0 ? 'nothing of ours' : `only ${allowed.join(', ')}`;
    return `imports ${target}, but ${file.folder}/ may import ${below}; pass it in as an option, or move the contract down`;
  }
  if (!target.endsWith('/index.ts')) {
    return `imports ${target}; across folders import ${folder}/index.ts (an adapter's by its own index.ts)`;
  }
  return undefined;
}

/** Cycles between files, type imports included; each once, as the files it goes through. */
export function cycles(files: readonly SourceFile[]): string[][] {
  const imports = new Map(
    files.map((file) => [
      file.path,
      file.imports.map(({ target }) => target).filter((target) => target !== undefined),
    ]),
  );
  const found: string[][] = [];
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || finished.has(file)) return;
    path.push(file);
    for (const target of imports.get(file) ?? []) visit(target);
    path.pop();
    finished.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return found;
}

/** Packages that are imported without being in package.json; tests may use the development ones. */
export function packageViolations(
  files: readonly SourceFile[],
  dependencies: readonly string[],
  devDependencies: readonly string[],
): Violation[] {
  return files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      if (/^(\.|node:)/.test(specifier)) return [];
      const name = packageName(specifier);
      const isDevelopment = file.isTest || ['bench', 'bin', ''].includes(file.folder);
      const known = isDevelopment ? [...dependencies, ...devDependencies] : dependencies;
      if (known.includes(name)) return [];
      const message = `imports ${name}, which package.json does not list for it; add it there, or write node: before a built-in`;
      return [{ path: file.path, line, message }];
    }),
  );
}

export function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
