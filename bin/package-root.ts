// Where the package's files are: the same folder whether the built bin runs or the source.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** The package's folder: the nearest above this file whose package.json bears our name. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (readPackage(folder)?.name !== 'meanstream') folder = dirname(folder);
  return folder;
}

/** The path of a file that is shipped with the package, by its parts. */
export function packageFile(...parts: string[]): string {
  return join(packageRoot(), ...parts);
}

export function codeVersion(): string {
  return readPackage(packageRoot())!.version;
}

function readPackage(folder: string): PackageFile | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageFile;
  } catch (error) {
    if (dirname(folder) === folder) throw error;
    return undefined;
  }
}
