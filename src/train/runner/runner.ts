import type { OrtFeeds, OrtTensor } from '../../backends/ort/tensor.js';
import type { WeightedLoss } from '../gradient-sum.js';
import type { GraphName, GraphSignature, Signature } from '../signature.js';

/** A float32 tensor that stays between runs of graphs. */
export interface HeldTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}
export type HeldTensors = ReadonlyMap<string, HeldTensor>;

/** A float32 tensor that stays where its provider computes. */
export interface DeviceTensor {
  readonly type: string;
  readonly dims: readonly number[];
  download(): Promise<Float32Array>;
  dispose(): void;
}
export type GraphTensors = Readonly<Record<string, OrtTensor | DeviceTensor>>;

/** A graph that is loaded. */
export interface GraphSession {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Results share no memory with what is given. */
  run(feeds: GraphTensors, outputs: readonly string[]): Promise<GraphTensors>;
  close(): Promise<void>;
}

/**
 * Loads a graph; `file`: what messages call it; `kept`: outputs that replace inputs of the next run, and need not leave the device.
 */
export type OpenGraph = (
  graph: GraphSignature,
  file: string,
  kept: readonly string[],
) => Promise<GraphSession>;

/** The step of an optimizer with a projection: apply.onnx, and what the host does before and after. */
export interface ProjectedApply {
  /** `hold`: takes a tensor in place of the held one; `given`: gradients and scalars. */
  apply(
    runner: Pick<GraphRunner, 'save' | 'run'>,
    hold: (name: string, tensor: HeldTensor) => void,
    given: OrtFeeds,
    outputs: readonly string[],
  ): Promise<OrtFeeds>;
}

/** What a runner needs to know of a training directory. */
export interface RunnerJob {
  /** what messages call the folder */
  readonly label: string;
  readonly signature: Signature;
}

/**
 * Runs the graphs of a training directory, in this process or another. Base weights, parameters and optimizer state stay
 * where the graphs run: only batches, scalars and results travel. One call at a time.
 */
export interface GraphRunner {
  /** Takes tensors in place of those of the same names. The caller changes none of them after. */
  load(tensors: HeldTensors): Promise<void>;
  /** The held tensors of these names, or all. The caller changes none of them. */
  save(names: readonly string[] | null): Promise<HeldTensors>;
  /**
   * Runs a graph on the held tensors and on `feeds`, the values of its other inputs. What it says of the next step replaces
   * the held tensors. Gives the outputs of these names.
   */
  run(graph: GraphName, feeds: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds>;
  /** Adds up the gradients of batches, as feeds of grad.onnx, and holds the sum. */
  addUp(batches: readonly OrtFeeds[]): Promise<WeightedLoss>;
  /** The held sum: gradients one behind another, in the order in which apply.onnx takes them. */
  readSum(): Promise<Float64Array>;
  /** Takes another sum in place of the held one. */
  writeSum(values: Float64Array): Promise<void>;
  /** One optimizer step with the held sum, divided by `weight`, and its projection where the optimizer has one. `scalars` of apply.onnx; gives its outputs of these names. */
  apply(weight: number, scalars: OrtFeeds, outputs: readonly string[]): Promise<OrtFeeds>;
  close(): Promise<void>;
}
