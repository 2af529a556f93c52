// The log on Apache Kafka. Start with kafka-broker.ts; record-batch-layout.ts has the format of what is stored.
// Only this folder imports kafkajs, and of it only kafkajs-internals.ts.

export { KafkaBroker, type KafkaBrokerOptions } from './kafka-broker.ts';
export type { SaslOptions, TlsOptions } from './kafkajs-internals.ts';
