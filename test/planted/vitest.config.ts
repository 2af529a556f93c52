// Runs the suite with one mistake of planted-in-suite.ts put in, by its place in the table: MEANSTREAM_TEST_PLANTED=<number>.
// No Kafka is started. Used by planted-in-suite.test.ts.
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { plantedInSuite } from './planted-in-suite.ts';

const root = join(import.meta.dirname, '..', '..');
const { file, edit } = plantedInSuite[Number(process.env.MEANSTREAM_TEST_PLANTED)]!;

export default defineConfig({
  root,
  plugins: [
    {
      name: 'plant',
      enforce: 'pre',
      transform(source, id) {
        if (id !== join(root, file)) return undefined;
        const times = source.split(edit.find).length - 1;
        if (times !== 1) throw new Error(`"${edit.find}" is ${times} times in ${file}`);
        return source.replace(edit.find, () => edit.replace);
      },
    },
  ],
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'dist/**'],
    testTimeout: 30_000,
    cache: false,
  },
});
