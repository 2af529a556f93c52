import type { KeyValueStore } from '../state-stores/index.ts';

/** The state is made from the log alone, and nothing of it is stored. */
export const emptyStore: KeyValueStore = {
  name: 'none',
  get: async () => undefined,
  put: () => {},
  delete: () => {},
  async *range() {},
};
