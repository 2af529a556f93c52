// The release after this one, as far as members of a group and their disks can tell: the built product with a newer release
// number in what members tell each other, a field there that this release does not know, and another schema of the store
// of drift.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFile } from '../../bin/package-root.ts';

const edits = [
  ['broker/kafka/member-messages.js', 'const release = 2;', 'const release = 3;'],
  ['broker/kafka/member-messages.js', 'stores: held.', "later: ['unknown'], stores: held."],
  [
    'processors/stores.js',
    "{ name: 'drift', schemaVersion: 1 }",
    "{ name: 'drift', schemaVersion: 2 }",
  ],
] as const;

export interface OtherRelease {
  readonly program: string;
  remove(): void;
}

export function nextRelease(): OtherRelease {
  const folder = mkdtempSync(join(tmpdir(), 'meanstream-next-'));
  cpSync(packageFile('dist'), join(folder, 'dist'), { recursive: true });
  cpSync(packageFile('package.json'), join(folder, 'package.json'));
  symlinkSync(packageFile('node_modules'), join(folder, 'node_modules'));
  for (const [file, find, replace] of edits) {
    const path = join(folder, 'dist', file);
    const text = readFileSync(path, 'utf8');
    const times = text.split(find).length - 1;
    if (times !== 1) throw new Error(`"${find}" is ${times} times in ${file}; mend the table`);
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }
  return {
    program: join(folder, 'dist', 'bin', 'meanstream.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
