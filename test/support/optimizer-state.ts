import { placesOf } from '../../src/backends/host/shared/tables.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { type OptimizerKind, optimizerDef } from '../../src/train/optimizers/index.js';

/** A tensor of a state, by its name, and the factor that it belongs to. */
export interface StateTensor {
  readonly name: string;
  readonly factor: string;
  readonly rows: number;
  readonly cols: number;
}

/** The tensors of a state in their order: each slot of the optimizer for each factor that has a gradient. */
export function stateTensors({ buffers }: KernelPlan, kind: OptimizerKind): readonly StateTensor[] {
  const trained = new Set(buffers.map(({ gradientOf }) => gradientOf));
  return Object.entries(placesOf(buffers, 'step')).flatMap(([factor, [place]]) =>
    trained.has(place!.buffer)
      ? optimizerDef(kind).slots.map((slot) => ({
          ...{ name: `${factor}/${slot}`, factor },
          ...{ rows: place!.rows, cols: place!.cols },
        }))
      : [],
  );
}

/** The bytes of a state by their description in docs/kernels.md; `numbers`: those of a tensor, in order. */
export function stateOf(
  plan: KernelPlan,
  kind: OptimizerKind,
  steps: number,
  numbers: (tensor: StateTensor) => ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const tensors = stateTensors(plan, kind);
  let end = 0;
  const entries = tensors.map(({ name, rows, cols }) => {
    const offsets = [end, (end += 4 * rows * cols)];
    return `,${JSON.stringify(name)}:${JSON.stringify({ dtype: 'F32', shape: [rows, cols], data_offsets: offsets })}`;
  });
  const text = [
    '{"__metadata__":{"format":"lotrc.state 1"',
    `,"lotrc.optimizer":"${kind}"`,
    ...plan.description.map(({ name, is }) => `,"lotrc.${name}":${JSON.stringify(JSON.stringify(is))}`),
    `,"lotrc.steps":"${steps}"}`,
    ...entries,
    '}',
  ].join('\n');
  // as long for any number of steps, in whole words of eight bytes
  const most = text.length - String(steps).length + 20;
  const header = text.padEnd(8 * Math.ceil(most / 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = tensors.map((tensor) => Buffer.from(Float32Array.from(numbers(tensor)).buffer));
  return Uint8Array.from(Buffer.concat([length, Buffer.from(header), ...data]));
}

/** The plan without the last of its gradients. */
export function withoutLast(plan: KernelPlan): KernelPlan {
  const last = plan.buffers.findLastIndex(({ gradientOf }) => gradientOf !== undefined);
  return { ...plan, buffers: plan.buffers.filter((_, at) => at !== last) };
}
