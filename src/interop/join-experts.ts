import { effectiveScale } from '../adapter/description.js';
import { needsModel, notLora } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import { groupBy } from '../passes/sites/group-by.js';
import type { LoraLayer } from './to-lora.js';

/** The matrices of experts that one parameter of a module holds, as LoRA of the whole parameter. */
export interface LoraParameter {
  /** with the module: `model.layers.0.mlp.experts.down_proj` */
  readonly path: string;
  readonly owner: string;
  /** of one expert */
  readonly rank: number;
  readonly alpha: number;
  readonly scaling: LoraLayer['scaling'];
  readonly place: number | null;
  /** (experts, rank, in) and (out, rank, experts) as matrices */
  readonly a: TensorData;
  readonly b: TensorData;
}

/**
 * LoRA of single experts as PEFT has it for `target_parameters`: all experts of a parameter together, at one rank and one scale. An expert of
 * a smaller rank is filled up with zeros. Throws LOTR7201 for what this form cannot say, LOTR7204
 * where parameters of one module are in an order that is not known.
 */
export function joinExperts(layers: readonly LoraLayer[], file = '<adapter>'): readonly LoraParameter[] {
  const parameters = [...groupBy(layers, ({ expert }) => expert!.parameter)].map(([path, experts]) =>
    joined(path, experts),
  );
  for (const [owner, same] of groupBy(parameters, (one) => one.owner)) {
    if (same.length > 1 && same.some(({ place }) => place === null))
      fail(needsModel({ file, why: `in which order "${owner}" has its parameters` }));
    const alike = groupBy(same, ({ a, b }) => `${a.shape} ${b.shape}`);
    for (const [first, second] of alike.values()) {
      if (second)
        refuse(
          `"${first!.path}" and "${second.path}" have matrices of the same shapes, and PEFT's files tell the parameters of "${owner}" apart by shapes alone`,
        );
    }
  }
  return parameters.toSorted((x, y) => (x.place ?? 0) - (y.place ?? 0));
}

function refuse(why: string): never {
  return fail(notLora({ method: 'given', why }));
}

function joined(path: string, layers: readonly LoraLayer[]): LoraParameter {
  const experts = [...layers].sort((x, y) => x.expert!.number - y.expert!.number);
  const first = experts[0]!;
  const count = first.expert!.of ?? experts.length;
  const missing = Array.from({ length: count }, (_, k) => k).find(
    (k) => !experts.some(({ expert }) => expert!.number === k),
  );
  if (missing !== undefined)
    refuse(`expert ${missing} of "${path}" has no adapter, and target_parameters of PEFT are of all experts`);
  const [inn, out] = [first.a.shape[1]!, first.b.shape[0]!];
  if (inn === out && first.expert!.lies === 'io')
    refuse(
      `the matrices of "${path}" are ${inn}x${out} and lie as (in, out): PEFT does not say which side is A`,
    );
  const scaleOf = ({ alpha, scaling, rank }: LoraLayer) => effectiveScale({ scale: alpha, scaling }, rank);
  const other = experts.find((layer) => scaleOf(layer) !== scaleOf(first));
  if (other)
    refuse(
      `the experts of "${path}" have different scales (${scaleOf(first)} and ${scaleOf(other)}), and target_parameters of PEFT have one for all`,
    );
  const rank = Math.max(...experts.map((layer) => layer.rank));
  const same = experts.every((layer) => layer.rank === rank && layer.scaling === first.scaling);
  return {
    path,
    owner: path.slice(0, path.lastIndexOf('.')),
    rank,
    alpha: same ? first.alpha : scaleOf(first) * rank,
    scaling: same ? first.scaling : 'rank',
    place: first.expert!.place,
    a: new ComputedTensor('f32', [count * rank, inn], 'experts', () => {
      const whole = new Float64Array(count * rank * inn);
      for (const [k, { a }] of experts.entries()) whole.set(toF64(a), k * rank * inn);
      return encodeFloats('f32', whole);
    }),
    b: new ComputedTensor('f32', [out, rank * count], 'experts', () => {
      const whole = new Float64Array(out * rank * count);
      for (const [k, { b, rank: own }] of experts.entries()) {
        for (const [at, value] of toF64(b).entries()) {
          const [row, r] = [Math.floor(at / own), at % own];
          whole[(row * rank + r) * count + k] = value;
        }
      }
      return encodeFloats('f32', whole);
    }),
  };
}
