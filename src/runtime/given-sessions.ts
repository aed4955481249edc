import { cannotRun, stepFails } from '../backends/codes/host.js';
import { shapesText } from '../backends/ort/session-settings.js';
import type { OrtTensor } from '../backends/ort/tensor.js';
import { fail } from '../ir/diagnostics.js';
import { bare } from '../ir/keys.js';
import type { DeviceTensor, GraphSession, GraphTensors } from '../train/runner/runner.js';
import type { OrtModule, OrtSessionLike, OrtTensorLike } from './ort-like.js';

/** A file that a model reads weights from, under the name that the model has for it. */
export interface ExternalFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Loads a model. Throws LOTR8110 with ONNX Runtime's reason. */
export async function openGiven(
  ort: OrtModule,
  model: Uint8Array,
  settings: Readonly<Record<string, unknown>>,
  { file, ep }: { readonly file: string; readonly ep: string },
): Promise<OrtSessionLike> {
  try {
    return await ort.InferenceSession.create(model as never, settings as never);
  } catch (error) {
    return fail(cannotRun({ file, why: messageOf(error), ep }));
  }
}

/** A session of the caller's ONNX Runtime as a graph: tensors that lie on a device stay there. */
export class GivenSession implements GraphSession {
  constructor(
    readonly ort: OrtModule,
    readonly session: OrtSessionLike,
    readonly file: string,
  ) {}

  get inputs(): readonly string[] {
    return this.session.inputNames;
  }

  get outputs(): readonly string[] {
    return this.session.outputNames;
  }

  async run(feeds: GraphTensors, outputs: readonly string[]): Promise<GraphTensors> {
    const inputs = bare<OrtTensorLike>();
    for (const [name, tensor] of Object.entries(feeds))
      inputs[name] = tensor instanceof OnDevice ? tensor.tensor : tensorFor(this.ort, tensor as OrtTensor);
    const results = await this.session
      .run(inputs as never, outputs as never)
      .catch((error: unknown) =>
        fail(stepFails({ file: this.file, shapes: shapesText(feeds as never), why: messageOf(error) })),
      );
    const found = bare<OrtTensor | DeviceTensor>();
    for (const [name, tensor] of Object.entries(results)) {
      const { type, dims } = tensor;
      found[name] =
        tensor.location === 'gpu-buffer'
          ? new OnDevice(tensor)
          : { type, dims, data: tensor.data as OrtTensor['data'] };
    }
    return found;
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

export function tensorFor(ort: OrtModule, { type, data, dims }: OrtTensor): OrtTensorLike {
  return new ort.Tensor(type as never, data as never, dims);
}

class OnDevice implements DeviceTensor {
  constructor(readonly tensor: OrtTensorLike) {}

  get type(): string {
    return this.tensor.type;
  }

  get dims(): readonly number[] {
    return this.tensor.dims;
  }

  /** A copy: the tensor stays where it is. */
  async download(): Promise<Float32Array> {
    return (await this.tensor.getData()) as Float32Array;
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
