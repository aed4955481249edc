import { constantData } from '../../../../ir/constants.js';
import { fail } from '../../../../ir/diagnostics.js';
import type { Model } from '../../../../ir/model.js';
import type { TensorType, ValueType } from '../../../../ir/shape.js';
import type { TensorData } from '../../../../ir/tensor.js';
import { raiseAdapters } from '../../../../passes/adapters/raise.js';
import { inferShapes } from '../../../../passes/infer-shapes.js';
import { cannotCut } from '../../../codes/kernels.js';
import type { KernelPlan } from '../../../kernel/model/types.js';
import { packedTensors, placesOf, regionRow } from '../../shared/tables.js';
import { keepSegment } from './build.js';
import { type CutRegion, type CutSegment, segmentsOf } from './cut.js';
import { modelModule } from './module.js';

/** A segment as the module that runs it has it. */
export interface SegmentRow extends Omit<CutSegment, 'regions'> {
  /** path of its file; null where there is nothing to compute */
  readonly file: string | null;
  /** outputs that stay on the device */
  readonly kept: readonly string[];
  readonly regions: readonly (CutRegion & { readonly index: number })[];
}

/** A model in segments, what kernels read of its weights, and the module that runs all of it. */
export interface SegmentedModel {
  readonly rows: readonly SegmentRow[];
  /** the segments with a file, each as a model of its own */
  readonly models: readonly { readonly path: string; readonly model: Model }[];
  /** base weights, biases, and the factors that the model holds */
  readonly weights: ReadonlyMap<string, TensorData>;
  /** path of the file with the weights */
  readonly weightsPath: string;
  readonly module: { readonly path: string; readonly text: string };
}

const WEIGHTS_PATH = 'weights.safetensors';

/**
 * Cuts a rewritten model at the regions of a plan for serving. `open` reads the model afresh: each segment is made of its own copy. Reads no
 * weights. Throws LOTR6010 for a model that cannot be cut there.
 */
export function segmentedModel(open: () => Model, plan: KernelPlan): SegmentedModel {
  const refuse = (why: string, hint: string): never => fail(cannotCut({ why, hint }));
  const [skipped] = plan.skipped;
  if (skipped)
    refuse(
      `${skipped.layer} has no kernel: ${skipped.because}`,
      'choose layers that have kernels: `lotrc rewrite --target`, `--exclude`',
    );
  const raised = () => {
    const model = open();
    raiseAdapters(model, 'cut the model');
    return model;
  };
  const model = raised();
  inferShapes(model);
  const { graph } = model;
  const contents = new Map(plan.buffers.map(({ name, value }) => [name, value]));
  const regions = plan.regions.map((region): CutRegion => {
    const { x, y } = regionRow(region, plan);
    const named = (buffer: string) => contents.get(buffer)!;
    return { x: named(x), y: y.map(named) };
  });
  const typeOf = (name: string): TensorType => {
    const type: ValueType | null | undefined = graph.own(name)?.type;
    if (type?.kind === 'tensor') return type;
    return refuse(
      graph.own(name)
        ? `the element type of "${name}" is not known`
        : `"${name}" is in a branch, a loop or a function`,
      'run the adapted layers with the module alone, or the whole model in ONNX Runtime',
    );
  };
  for (const { x, y } of regions)
    for (const name of [x, ...y]) {
      const { dtype } = typeOf(name);
      if (dtype !== 'f32' || plan.dtype !== 'f32')
        refuse(
          `"${name}" is ${dtype}, and the kernels compute in ${plan.dtype}`,
          'segments are written for models in float32',
        );
    }
  const segments = segmentsOf(model, regions);
  const passed = new Set(segments.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]));
  const types = new Map([...passed].map((name) => [name, typeOf(name)]));
  const places = { ...placesOf(plan.buffers, 'weight'), ...placesOf(plan.buffers, 'step') };
  const weights = new Map<string, TensorData>();
  const bytes = packedTensors(plan.buffers);
  for (const name of Object.keys(places)) {
    const value = graph.own(name);
    const data = value && !value.isInput ? constantData(value) : null;
    if (data && data.dtype !== 'f32' && !Object.hasOwn(bytes, name))
      refuse(`"${name}" is ${data.dtype}`, 'segments are written for models in float32');
    if (data) weights.set(name, data);
  }
  const kept = new Set([...regions.map(({ x }) => x), ...segments.flatMap(({ inputs }) => inputs)]);
  const rows = segments.map(
    (segment, n): SegmentRow => ({
      file: segment.outputs.length === 0 ? null : `segments/${n}.onnx`,
      ...segment,
      kept: segment.outputs.filter((name) => kept.has(name)),
      regions: segment.regions.map((index) => ({ index, ...regions[index]! })),
    }),
  );
  return {
    rows,
    models: rows.flatMap((row) => {
      if (row.file === null) return [];
      const part = raised();
      keepSegment(part, row, types);
      return [{ path: row.file, model: part }];
    }),
    weights,
    weightsPath: WEIGHTS_PATH,
    module: {
      path: 'model.ts',
      text: modelModule({
        ...{ plan, weightsPath: WEIGHTS_PATH, rows },
        inputs: graph.inputs.filter(({ constant }) => !constant).map(({ name }) => name),
        outputs: graph.outputs.map(({ name }) => name),
      }),
    },
  };
}
