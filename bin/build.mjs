// Compiles the services and the dashboard into dist/ and copies the files that are read at run time beside them.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { buildNativeKernels } from './build-kernels.mjs';

const tsc = new URL('../node_modules/typescript/bin/tsc', import.meta.url).pathname;
const root = new URL('..', import.meta.url).pathname;

for (const project of ['tsconfig.build.json', 'gateway/dashboard']) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

copy('schemas', (name) => name.endsWith('.avsc'));
copy('gateway/dashboard', (name) => /\.(html|css|svg)$/.test(name));
copy('bin/kafka', (name) => name.endsWith('.xml') || name.endsWith('.properties'));
copy('clustering/kernels', (name) => name.endsWith('.wasm'));
process.stdout.write(`${buildNativeKernels()}\n`);

function copy(folder, wanted) {
  if (!existsSync(`${root}${folder}`)) return;
  for (const name of readdirSync(`${root}${folder}`).filter(wanted)) {
    cpSync(`${root}${folder}/${name}`, `${root}dist/${folder}/${name}`);
  }
}
