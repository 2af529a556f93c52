// Compiles the services, the dashboard and the kernels into dist/, all at once, and copies the files that are read at run
// time beside them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync } from 'node:fs';

const tsc = new URL('../node_modules/typescript/bin/tsc', import.meta.url).pathname;
const root = new URL('..', import.meta.url).pathname;

const statuses = await Promise.all([
  run(tsc, '-p', 'tsconfig.build.json'),
  run(tsc, '-p', 'gateway/dashboard'),
  run('bin/build-kernels.mjs', 'native'),
]);
const failed = statuses.find((status) => status !== 0);
if (failed !== undefined) process.exit(failed);

copy('schemas', (name) => name.endsWith('.avsc'));
copy('gateway/dashboard', (name) => /\.(html|css|svg)$/.test(name));
copy('bin/kafka', (name) => name.endsWith('.xml') || name.endsWith('.properties'));
copy('clustering/kernels', (name) => name.endsWith('.wasm'));

async function run(script, ...args) {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  const [status] = await once(child, 'exit');
  return status ?? 1;
}

function copy(folder, wanted) {
  if (!existsSync(`${root}${folder}`)) return;
  for (const name of readdirSync(`${root}${folder}`).filter(wanted)) {
    cpSync(`${root}${folder}/${name}`, `${root}dist/${folder}/${name}`);
  }
}
