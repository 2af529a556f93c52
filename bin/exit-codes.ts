// How a process of ours ends, and which error ends it how. Printed by --help; scripts and Kubernetes rely on it.

import { MeanstreamError } from '../support/index.ts';

export const exitCodes = {
  ok: 0,
  runtime: 1,
  usage: 2,
  dependencyDown: 3,
  checkFailed: 4,
  refused: 5,
  timeout: 124,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodesHelp = `Exit codes:
  0    done (also after SIGTERM, once everything in hand was committed)
  1    a fault while running
  2    wrong usage or settings
  3    something this depends on (Kafka, a running \`dev\`) is down
  4    a check failed (doctor, topics)
  5    refused for safety
  124  a time limit passed
  130  stopped by Ctrl-C`;

const codesOfErrors: Readonly<Record<string, ExitCode>> = {
  MEANSTREAM_INVALID_SETTING: exitCodes.usage,
  MEANSTREAM_INVALID_TOPOLOGY: exitCodes.usage,
  MEANSTREAM_USAGE: exitCodes.usage,
  MEANSTREAM_PORT_TAKEN: exitCodes.usage,
  MEANSTREAM_INVALID_MODEL_FILE: exitCodes.usage,
  MEANSTREAM_DEPENDENCY_DOWN: exitCodes.dependencyDown,
  MEANSTREAM_CHECK_FAILED: exitCodes.checkFailed,
  MEANSTREAM_REFUSED: exitCodes.refused,
};

export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof MeanstreamError
    ? (codesOfErrors[error.code] ?? exitCodes.runtime)
    : exitCodes.runtime;
}

/** The command line is well formed but asks for something that makes no sense. */
export function usageError(message: string, fields: object = {}): MeanstreamError {
  return new MeanstreamError('MEANSTREAM_USAGE', message, { ...fields });
}

/** Something was looked at and found wrong. */
export function checkFailedError(message: string, fields: object = {}): MeanstreamError {
  return new MeanstreamError('MEANSTREAM_CHECK_FAILED', message, { ...fields });
}
