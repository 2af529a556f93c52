import { silentLogger } from '../support/index.ts';
import { LevelStore } from './level.ts';
import { storeContract } from './testing/store-contract.ts';

storeContract({
  name: 'level',
  create: (dir) => new LevelStore({ name: 'contract', dir, logger: silentLogger }),
  features: { persistent: true },
});
