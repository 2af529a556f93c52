// The points of a request, whatever its content type, judged by the rules of the stream: what is accepted here is not a
// dead letter there. A request is taken whole or refused at its first fault.

import {
  type PointFormat,
  PointReader,
  type PointRequest,
  type PointShape,
  pointContentTypes,
  readPointLines,
  readPointRequest,
} from '../schemas/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import type { GatewayRequest } from './http.ts';
import type { GatewayLimits } from './limits.ts';
import { ProblemError } from './problem.ts';

export interface PointInputOptions {
  /** Of the current model, else of the settings. */
  readonly shape: () => PointShape;
  /** Of one point. */
  readonly pointBytesMax: number;
  readonly limits: GatewayLimits;
}

export interface PointInput extends PointRequest {
  /** Of the record values. */
  readonly format: PointFormat;
}

const linesType = 'application/x-ndjson';
const jsonType = 'application/json';
const float32Type = 'application/vnd.meanstream.float32';

/** @throws ProblemError: 400 with the point's index, the field and the remedy; 413; 415. */
export function readPointInput(request: GatewayRequest, options: PointInputOptions): PointInput {
  const { contentType, body } = request;
  const { pointsPerRequestMax: pointsMax, dimsMax } = options.limits;
  const shape = options.shape();
  const reading = { shape, pointsMax, bytesMax: options.pointBytesMax };
  try {
    if (contentType === linesType) return { ...readPointLines(body, reading), format: 'json' };
    if (pointContentTypes[contentType] === 'json') {
      return { ...readPointRequest(body, reading), format: 'json' };
    }
    if (pointContentTypes[contentType] === 'float32') {
      const dims = dimensionsOf(request.query, shape, dimsMax);
      return { ...readFloat32(body, { ...shape, dims }, pointsMax), format: 'float32' };
    }
  } catch (error) {
    throw error instanceof InvalidRecordError ? inputProblem(error, contentType) : error;
  }
  const given =
    contentType === '' ? 'There is no content type' : `${contentType} is not known here`;
  throw new ProblemError(
    'unsupported-media-type',
    `${given}; send ${jsonType}, ${linesType} or ${float32Type}.`,
    { headers: { accept: `${jsonType}, ${linesType}, ${float32Type}` } },
  );
}

const tooLargeReasons: ReadonlySet<string> = new Set(['too_large', 'too_many_points']);

/** The reader's fault with the index of the point in the request. */
function inputProblem(error: InvalidRecordError, contentType: string): ProblemError {
  const pointer = String(error.fields.pointer ?? '');
  const place = (contentType === linesType ? /^\/(\d+)/ : /^\/points\/(\d+)/).exec(pointer);
  const index = place === null ? 0 : Number(place[1]);
  const field = pointer.slice(place?.[0].length ?? 0).replace(/^\//, '');
  const where = contentType === linesType ? `Line ${index}` : `Point ${index}`;
  const kind = tooLargeReasons.has(error.code) ? 'body-too-large' : 'invalid-point';
  return new ProblemError(kind, `${where}: ${error.message}`, {
    fields: { reason: error.code, index, field, pointer },
  });
}

function dimensionsOf(query: URLSearchParams, shape: PointShape, dimsMax: number): number {
  const text = query.get('dimensions');
  const dims = text === null ? shape.dims : Number(text);
  const isGood = Number.isInteger(dims) && dims > 0 && dims <= dimsMax;
  if (isGood && (shape.dims === 0 || dims === shape.dims)) return dims;
  const wanted =
    shape.dims > 0 ? `the model has ${shape.dims}` : `give a number from 1 to ${dimsMax}`;
  throw new ProblemError('invalid-request', `?dimensions= is ${text ?? 'missing'}; ${wanted}.`, {
    fields: { parameter: 'dimensions' },
  });
}

/** Rows of little-endian float32, one after the other, without keys. */
function readFloat32(body: Uint8Array, shape: PointShape, pointsMax: number): PointRequest {
  const { dims } = shape;
  const rowBytes = 4 * dims;
  if (body.length === 0 || body.length % rowBytes !== 0) {
    throw fault(
      'partial_float32',
      `The body has ${body.length} bytes, no multiple of ${rowBytes} (${dims} float32 values a point); send whole points.`,
      0,
    );
  }
  const n = body.length / rowBytes;
  if (n > pointsMax) {
    throw fault('too_many_points', `${n} points, more than ${pointsMax}; send fewer.`, pointsMax);
  }
  const reader = new PointReader();
  reader.expect(shape);
  const values = new Float32Array(n * dims);
  for (let row = 0; row < n; row += 1) {
    try {
      reader.readFloat32(body, row * rowBytes, (row + 1) * rowBytes, values, row * dims);
    } catch (error) {
      if (!(error instanceof InvalidRecordError)) throw error;
      throw fault(error.code, error.message, row, `/vector${error.fields.pointer}`);
    }
  }
  const rows = Array.from({ length: n }, (_, row) => row);
  return {
    n,
    dims,
    features: [],
    values,
    keys: rows.map(() => null),
    recordValues: rows.map((row) => body.subarray(row * rowBytes, (row + 1) * rowBytes)),
  };
}

function fault(code: string, message: string, row: number, within = ''): InvalidRecordError {
  return new InvalidRecordError(code, message, { pointer: `/points/${row}${within}` });
}
