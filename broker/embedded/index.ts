// The log in a folder of this process, on LevelDB (classic-level is used here and in state-stores/ only).
// Read embedded-broker.ts first, then stored-batch.ts for how records lie on disk.

export {
  EmbeddedBroker,
  type EmbeddedBrokerOptions,
  type MaintenanceOptions,
} from './embedded-broker.ts';
