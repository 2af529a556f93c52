// KAFKA_BROKERS names a Kafka that is already running, for `npm run kafka` and for the tests. Not a setting of ours.

/** host:port[,host:port…], or undefined when the variable is unset or empty. */
export function kafkaBrokersOfEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const brokers = environment.KAFKA_BROKERS?.trim();
  return brokers === undefined || brokers === '' ? undefined : brokers;
}

/** For a program that is to start a Kafka of its own, whatever is set here. */
export function environmentWithoutKafka(): NodeJS.ProcessEnv {
  const { KAFKA_BROKERS: _, ...rest } = process.env;
  return rest;
}
