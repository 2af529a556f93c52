// A model version as other people's runtimes read it. Pure: a model in, bytes out. An exported model answers with the same
// clusters as ours; the tests ask onnxruntime and JPMML.

export { encodeOnnx } from './onnx.ts';
export { encodePmml } from './pmml.ts';
export { decodeSafetensors, decodeVersion, encodeSafetensors } from './safetensors.ts';
