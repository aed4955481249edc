import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import type { Group, GroupFactor } from '../../kernel/model/layers.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import { packedParts } from '../../kernel/plan/packed-buffers.js';
import { runtimeText } from '../../runtime-text.js';
import { trainedOf } from '../shared/steps.js';
import { keptOf, placesOf, regionRow } from '../shared/tables.js';
import { ADAPTERS_TORCH_PY } from './generated/runtime.js';
import { classText, optimizerClass } from './optimizer.js';

/**
 * adapters_torch.py: the C library of a plan for training as a PyTorch module, over ctypes: tensors of PyTorch that lie in
 * the library's buffers, an autograd.Function per region, and the optimizer where PyTorch has none like it. Needs only PyTorch;
 * the library must be a shared one.
 */
export function torchText(plan: KernelPlan, optimizer: ElementwiseDef): string {
  const factors = placesOf(plan.buffers, 'step');
  const regions = plan.regions.map((region) => {
    const { x, y, dy = [], dx = null } = regionRow(region, plan);
    const own = [...new Set(region.region.layers.flatMap((layer) => layer.factors))];
    const { scale } = plan.groups.find(({ id }) => id === region.region.group)!;
    const layers = region.region.layers.map((layer) => ({
      name: layer.id,
      weight: layer.weight,
      stored: layer.weightStored,
      bias: layer.bias,
      factors: layer.factors,
    }));
    return { x, y, dy, dx, kept: keptOf(region), scale, layers, factors: own };
  });
  const shapes = Object.fromEntries(
    plan.buffers.map(({ name, shape, border }) => [
      name,
      border === undefined ? shape : [shape[0], Number(shape[1]) - border],
    ]),
  );
  const borders = plan.buffers.flatMap(({ name, border }) =>
    border === undefined ? [] : [[name, border] as const],
  );
  const narrow = Object.fromEntries(
    plan.buffers.flatMap(({ name, dtype }) =>
      dtype === 'f16' || dtype === 'bf16' ? [[name, TYPES[dtype]] as const] : [],
    ),
  );
  const gradients = Object.fromEntries(trainedOf(plan).map(({ factor, gradient }) => [factor, gradient]));
  const weights = Object.fromEntries(
    Object.entries(placesOf(plan.buffers, 'weight')).map(([name, [place]]) => [
      name,
      [place!.rows, place!.cols],
    ]),
  );
  // scales and zero points have the types of the model
  const packed = plan.buffers.filter(({ dtype }) => dtype === 'u8').length > 0;
  const belongs = plan.regions.flatMap(({ region }) => region.layers.flatMap(packedParts));
  const kinds = Object.fromEntries(
    plan.buffers.flatMap(({ dtype, from = [] }) =>
      from.filter((name) => belongs.includes(name)).map((name) => [name, WEIGHT_TYPES[dtype]]),
    ),
  );
  const arrays = Object.fromEntries(
    plan.groups.flatMap((group) =>
      group.factors.flatMap(({ shape, own = shape, tensors }) =>
        shape.length === 2 ? [] : tensors.map((name) => [name, own] as const),
      ),
    ),
  );
  const table = (name: string, rows: Readonly<Record<string, unknown>> | readonly unknown[]) =>
    Array.isArray(rows)
      ? [`${name} = [`, ...rows.map((row) => `    ${literal(row)},`), ']']
      : [
          `${name} = {`,
          ...Object.entries(rows).map(([key, row]) => `    ${literal(key)}: ${literal(row)},`),
          '}',
        ];
  const tables = [
    '# shape of every buffer; "M": the number of tokens',
    ...table('BUFFERS', shapes),
    '# type of the buffers that are not float32',
    ...table('TYPES', narrow),
    ...(borders.length === 0
      ? []
      : [
          "# elements between the rows of a buffer: the library's own",
          ...table('BORDERS', Object.fromEntries(borders)),
        ]),
    '# bytes of which an address is a multiple that the library is given',
    'ALIGNMENT = 16',
    '# place of every factor: [buffer, offset, rows, columns, elements from row to row]',
    ...table(
      'FACTORS',
      Object.fromEntries(
        Object.entries(factors).map(([name, list]) => [
          name,
          list.map(({ buffer, offset, rows, cols, rowStride }) => [buffer, offset, rows, cols, rowStride]),
        ]),
      ),
    ),
    ...(Object.keys(arrays).length === 0
      ? []
      : [
          '# shape of the factors that are vectors, or have more axes than a matrix',
          ...table('SHAPES', arrays),
        ]),
    '# shape of every frozen weight and bias, as the model stores it',
    ...table('WEIGHTS', weights),
    ...(packed ? ['# type of what packed weights consist of', ...table('PACKED', kinds)] : []),
    '# the gradient of every buffer of factors',
    ...table('GRADIENTS', gradients),
    '# factors that are not trained',
    ...table('FROZEN', [
      ...new Set(
        plan.groups.flatMap((group) => ofGroup(group, ({ trainable }) => !trainable).map(([name]) => name)),
      ),
    ]),
    '# what multiplies the learning rate of a factor; others: 1',
    ...table(
      'LR_MULTIPLIERS',
      Object.fromEntries(
        plan.groups.flatMap((group) =>
          ofGroup(group, ({ trainable, lrMultiplier }) => trainable && lrMultiplier !== 1),
        ),
      ),
    ),
    '# layers that read one x together; a weight stored "oi" is (out, in)',
    ...table('REGIONS', regions),
    '# what adapter files for the model agree in, where each row of their plans says it ("*": each entry of a list), and what',
    ...table('AGREED', plan.description),
  ];
  return runtimeText(
    ADAPTERS_TORCH_PY,
    { borders: borders.length > 0, shapes: Object.keys(arrays).length > 0, packed },
    {
      tables,
      optimizing: [
        `get none. ${optimizerClass(optimizer)}(host.parameter_groups(lr)) heeds the multipliers of LR_MULTIPLIERS. Factors that`,
      ],
      optimizer: optimizer.torch === undefined ? classText(optimizer) : [],
    },
  );
}

/** Tensors of the factors that are chosen, with their multipliers. */
const ofGroup = (
  { factors }: Group,
  chosen: (factor: GroupFactor) => boolean,
): readonly (readonly [string, number])[] =>
  factors
    .filter(chosen)
    .flatMap(({ tensors, lrMultiplier }) => tensors.map((name) => [name, lrMultiplier] as const));

const WEIGHT_TYPES = { u8: 'uint8', u32: 'int32', f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;
const TYPES = { f16: 'float16', bf16: 'bfloat16' } as const;

/** A Python literal. Strings of JSON are strings of Python. */
function literal(value: unknown): string {
  if (value === null) return 'None';
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${literal(key)}: ${literal(item)}`)
    .join(', ')}}`;
}
