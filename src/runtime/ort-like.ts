/**
 * What is used of ONNX Runtime: the modules `onnxruntime-web` and `onnxruntime-node` have it, and the caller gives one of
 * them. `never` is the type of parameters of which both have several forms.
 */
export interface OrtModule {
  readonly InferenceSession: {
    create(model: never, options: never): Promise<OrtSessionLike>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => OrtTensorLike;
}

export interface OrtSessionLike {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly OrtPortLike[];
  run(feeds: never, fetches?: never): Promise<Readonly<Record<string, OrtTensorLike>>>;
  release(): Promise<void>;
}

interface OrtPortLike {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/** A tensor of ONNX Runtime; one that lies on a device has data only once `getData` has fetched it. */
export interface OrtTensorLike {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
  readonly location: string;
  getData(releaseData?: boolean): Promise<unknown>;
  dispose(): void;
}
