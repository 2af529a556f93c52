// The logger of a process: pino to stderr. One JSON object a line; on a terminal, the same lines made short for people.

import { hostname } from 'node:os';
import { type DestinationStream, pino } from 'pino';
import type { Clock, Logger } from '../support/index.ts';
import { codeVersion } from './package-root.ts';
import { RepeatLimiter } from './repeat-limiter.ts';
import { styled } from './terminal.ts';

export interface LoggerOptions {
  readonly level: string;
  readonly service: string;
  readonly clock: Clock;
}

export function openLogger({ level, service, clock }: LoggerOptions): Logger {
  const destination: DestinationStream = process.stderr.isTTY
    ? { write: (line) => void process.stderr.write(`${readable(line)}\n`) }
    : pino.destination({ dest: 2, sync: true });
  const logger = pino(
    {
      level,
      base: { service, version: codeVersion(), instance: hostname() },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
  return withoutRepeats(logger, new RepeatLimiter(clock));
}

function withoutRepeats(logger: Logger, limiter: RepeatLimiter): Logger {
  const limited = (level: keyof Logger) => (fields: object, message: string) => {
    const suppressed = limiter.admit(message);
    if (suppressed === undefined) return;
    logger[level](suppressed === 0 ? fields : { ...fields, suppressed }, message);
  };
  return {
    // Whoever asks for debug lines wants them all.
    debug: (fields, message) => logger.debug(fields, message),
    info: limited('info'),
    warn: limited('warn'),
    error: limited('error'),
  };
}

/** What every line says anyway. */
const common = new Set(['time', 'level', 'msg', 'service', 'version', 'instance']);
const formats = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const;

function readable(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const level = String(entry.level) as keyof typeof formats;
  const time = new Date(String(entry.time)).toTimeString().slice(0, 8);
  const rest = Object.entries(entry).filter(([name]) => !common.has(name));
  const fields = rest.map(([name, value]) => `${name}=${fieldText(value)}`).join(' ');
  const label = styled(process.stderr, formats[level] ?? 'red', level.padEnd(5));
  return `${time} ${label} ${entry.msg ?? ''} ${styled(process.stderr, 'dim', fields)}`.trimEnd();
}

function fieldText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value && 'stack' in value) {
    return `"${value.message}"\n${value.stack}`;
  }
  return typeof value === 'string' && !/[\s"]/.test(value) ? value : JSON.stringify(value);
}
