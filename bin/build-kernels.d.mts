export declare const wasmClangMajor: number;
export declare function buildNativeKernels(options?: {
  readonly compiler?: string;
  /** The folder that gets kernels.node. */
  readonly built?: string;
}): string;
export declare function buildNativeCodec(options?: {
  readonly compiler?: string;
  /** The folder that gets codec.node. */
  readonly built?: string;
}): string;
export declare function buildWasmKernels(target?: string, compiler?: string): string | undefined;
