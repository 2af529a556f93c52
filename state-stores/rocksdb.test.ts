import { silentLogger } from '../support/index.ts';
import { RocksDbStore } from './rocksdb.ts';
import { storeContract } from './testing/store-contract.ts';

storeContract({
  name: 'rocksdb',
  create: (dir) => new RocksDbStore({ name: 'contract', dir, logger: silentLogger }),
  features: { persistent: true },
});
