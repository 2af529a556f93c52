// A model as an ONNX graph (opset 17): `points` float32 n × dims in, `cluster_id` (string), `label` (int64), `distance` (float32) out.
//
//   scaled   = float32((points − mean) / scale), as our kernels see a point; from here on in float64
//   squares  = ‖scaled‖² − 2·scaled·Cᵀ + ‖C‖²
//   label    = the first smallest of squares;  distance = √max(0, smallest)
//
// Float64, because ours decides near ties in float64. The message layout is onnx.proto3's (https://onnx.ai): only the fields
// that are used here.

import protobuf from 'protobufjs/light.js';
import type { Model } from '../schemas/index.ts';
import { checkExportable, provenance, scaledCentroids } from './export-space.ts';

/** [field number, type, repeated] */
type Field = readonly [id: number, type: string, rule?: 'repeated'];

const messages: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    docString: [6, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
  },
  AttributeProto: {
    name: [1, 'string'],
    i: [3, 'int64'],
    ints: [8, 'int64', 'repeated'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    stringData: [6, 'bytes', 'repeated'],
    int64Data: [7, 'int64', 'repeated'],
    name: [8, 'string'],
    doubleData: [10, 'double', 'repeated'],
  },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
};

const elementTypes = { float32: 1, int64: 7, string: 8, float64: 11 } as const;
type ElementType = keyof typeof elementTypes;

const attributeTypes = { int: 2, ints: 7 } as const;
const irVersion = 8;
const opset = 17;

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [name, { fields: descriptors(fields) }]),
  ),
});

function descriptors(fields: Readonly<Record<string, Field>>) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, [id, type, rule]]) => [
      name,
      { id, type, ...(rule && { rule }) },
    ]),
  );
}

/** @throws InvalidSettingError for a model by cosine or with missing values. */
export function encodeOnnx(model: Model): Uint8Array {
  checkExportable(model, 'ONNX');
  const { k, dims, mean, scale } = model;
  const centroids = scaledCentroids(model);
  const graph = {
    name: 'nearest_centroid',
    node: nodes,
    initializer: [
      float64s('mean', [dims], mean),
      float64s('scale', [dims], scale),
      float64s('centroids_by_feature', [dims, k], transposed(centroids, k, dims)),
      float64s('centroid_squares', [k], squaresOf(centroids, k, dims)),
      float64s('minus_two', [1], [-2]),
      float64s('zero', [1], [0]),
      { name: 'last_axis', dataType: elementTypes.int64, dims: [1], int64Data: [1] },
      {
        ...{ name: 'cluster_ids', dataType: elementTypes.string, dims: [k] },
        stringData: model.clusterIds.map((id) => new TextEncoder().encode(id)),
      },
    ],
    input: [tensorInfo('points', 'float32', ['n', dims])],
    output: [
      tensorInfo('cluster_id', 'string', ['n']),
      tensorInfo('label', 'int64', ['n']),
      tensorInfo('distance', 'float32', ['n']),
    ],
  };
  const onnx = {
    irVersion,
    producerName: 'meanstream',
    producerVersion: model.codeVersion,
    docString: `Nearest of ${k} centroids, version ${model.version}; distance in the model's space.`,
    graph,
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(provenance(model)).map(([key, text]) => ({ key, value: text })),
  };
  return root.lookupType('ModelProto').encode(onnx).finish();
}

const nodes = [
  node('Cast', ['points'], 'exact', { to: elementTypes.float64 }),
  node('Sub', ['exact', 'mean'], 'centred'),
  node('Div', ['centred', 'scale'], 'scaled_exact'),
  node('Cast', ['scaled_exact'], 'scaled_rounded', { to: elementTypes.float32 }),
  node('Cast', ['scaled_rounded'], 'scaled', { to: elementTypes.float64 }),
  node('Mul', ['scaled', 'scaled'], 'scaled_squared'),
  node('ReduceSum', ['scaled_squared', 'last_axis'], 'point_squares', { keepdims: 1 }),
  node('MatMul', ['scaled', 'centroids_by_feature'], 'dots'),
  node('Mul', ['dots', 'minus_two'], 'minus_two_dots'),
  node('Add', ['minus_two_dots', 'centroid_squares'], 'without_point'),
  node('Add', ['without_point', 'point_squares'], 'squares'),
  node('ArgMin', ['squares'], 'label', { axis: 1, keepdims: 0, select_last_index: 0 }),
  node('Gather', ['cluster_ids', 'label'], 'cluster_id', { axis: 0 }),
  node('ReduceMin', ['squares'], 'smallest', { axes: [1], keepdims: 0 }),
  node('Max', ['smallest', 'zero'], 'smallest_clamped'),
  node('Sqrt', ['smallest_clamped'], 'distance_exact'),
  node('Cast', ['distance_exact'], 'distance', { to: elementTypes.float32 }),
];

function node(
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
) {
  const attribute = Object.entries(attributes).map(([name, value]) =>
    typeof value === 'number'
      ? { name, i: value, type: attributeTypes.int }
      : { name, ints: value, type: attributeTypes.ints },
  );
  return { opType, input, output: [output], name: output, attribute };
}

function float64s(name: string, dims: readonly number[], values: ArrayLike<number>) {
  return { name, dims, dataType: elementTypes.float64, doubleData: Array.from(values) };
}

function tensorInfo(name: string, elementType: ElementType, shape: readonly (number | string)[]) {
  const dim = shape.map((size) =>
    typeof size === 'string' ? { dimParam: size } : { dimValue: size },
  );
  return { name, type: { tensorType: { elemType: elementTypes[elementType], shape: { dim } } } };
}

function transposed(centroids: Float32Array, k: number, dims: number): Float64Array {
  const out = new Float64Array(k * dims);
  for (let j = 0; j < k; j += 1) {
    for (let d = 0; d < dims; d += 1) out[d * k + j] = centroids[j * dims + d]!;
  }
  return out;
}

function squaresOf(centroids: Float32Array, k: number, dims: number): Float64Array {
  const out = new Float64Array(k);
  for (const [i, coordinate] of centroids.entries()) out[Math.floor(i / dims)]! += coordinate ** 2;
  return out;
}
