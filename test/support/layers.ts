import { planFactors } from '../../src/adapter/plan-factors.js';
import { type Attr, attrFloat, attrInt, attrInts } from '../../src/ir/attr.js';
import { type DType, dtypeToOnnx } from '../../src/ir/dtype.js';
import { Graph, Model, type Value } from '../../src/ir/model.js';
import { elementCount, tensorType } from '../../src/ir/shape.js';
import { f32Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../src/ir/values.js';
import { writePlan } from '../../src/passes/plan/plan.js';
import { type SelectOptions, selectSites } from '../../src/passes/sites/plan.js';
import { noise } from './ort.js';

/** One linear layer in some form of storage. Extents are odd and all different, values never zero. */
export interface LayerForm {
  readonly op?: 'MatMul' | 'Gemm' | 'FusedMatMul';
  readonly in?: number;
  readonly out?: number;
  /** extents of x before the last one */
  readonly batch?: readonly number[];
  readonly dtype?: DType;
  readonly alpha?: number;
  readonly beta?: number;
  readonly transB?: boolean;
  readonly bias?: boolean;
  /** what the stored weight is called */
  readonly weight?: string;
  /** where the weight is stored */
  readonly storage?: 'initializer' | 'constant';
  /** a Transpose between the stored weight and the layer */
  readonly transposed?: boolean;
  /** an Identity likewise */
  readonly identity?: boolean;
  /** the stored type; a Cast to `dtype` follows */
  readonly stored?: DType;
  readonly opset?: number;
  readonly irVersion?: number;
}

/** A model `x -> y` of one layer. The weight is called `W` or as the form says, the layer's node `layer`. */
export function layerModel(form: LayerForm = {}): Model {
  const { op = 'MatMul', in: inn = 7, out = 5, dtype = 'f32', batch = [3], opset = 17 } = form;
  const graph = new Graph('main');
  const model = new Model(graph);
  model.setOpset('', opset);
  model.setIrVersion(form.irVersion ?? 8);
  const x = graph.addInput('x', tensorType(dtype, [...batch, inn]));
  const asRead: readonly [number, number] = form.transB ? [out, inn] : [inn, out];
  const shape = form.transposed ? [asRead[1], asRead[0]] : [...asRead];
  const w = readable(graph, floats(form.stored ?? dtype, shape, 11), form, dtype);
  const bias = form.bias ? stored(graph, 'B', floats(dtype, [out], 12), form.irVersion) : null;
  const attrs: [string, Attr][] = [];
  if (form.alpha !== undefined) attrs.push(['alpha', attrFloat(form.alpha)]);
  if (form.beta !== undefined) attrs.push(['beta', attrFloat(form.beta)]);
  if (form.transB) attrs.push(['transB', attrInt(1)]);
  const domain = op === 'FusedMatMul' ? 'com.microsoft' : '';
  if (domain !== '') model.setOpset(domain, 1);
  const node = graph.append({
    op,
    domain,
    name: 'layer',
    inputs: bias && op === 'Gemm' ? [x, w, bias] : [x, w],
    outputs: ['y'],
    attrs,
  });
  node.docString = 'a layer';
  node.setMetadata(new Map([['made.by', 'hand']]));
  const y = node.outputs[0]!;
  y.setType(tensorType(dtype, [...batch, out]));
  graph.addOutput(y);
  return model;
}

function readable(graph: Graph, data: TensorData, form: LayerForm, dtype: DType): Value {
  let value =
    form.storage === 'constant'
      ? graph.append({
          op: 'Constant',
          name: 'W.node',
          inputs: [],
          outputs: ['W'],
          attrs: [['value', { kind: 'tensor', value: data }]],
        }).outputs[0]!
      : stored(graph, form.weight ?? 'W', data, form.irVersion);
  const step = (op: string, attrs: [string, Attr][]) => {
    value = graph.append({
      op,
      name: `W.${op}`,
      inputs: [value],
      outputs: [`${value.name}.${op}`],
      attrs,
    }).outputs[0]!;
  };
  if (form.identity) step('Identity', []);
  if (form.transposed) step('Transpose', [['perm', attrInts([1, 0])]]);
  if (form.stored && form.stored !== dtype) step('Cast', [['to', attrInt(dtypeToOnnx(dtype))]]);
  return value;
}

/** An initializer; before IR version 4 it must be an input too. */
function stored(graph: Graph, name: string, data: TensorData, irVersion = 8): Value {
  if (irVersion >= 4) return graph.addInitializer(name, data);
  const value = graph.addInput(name, tensorType(data.dtype, data.shape));
  graph.makeOverridable(value, data);
  return value;
}

/** Seeded values in (-1, 1) of any float type. */
export function floats(dtype: DType, shape: readonly number[], seed: number): TensorData {
  return new MemoryTensor(dtype, shape, encodeFloats(dtype, noise(elementCount(shape), seed)));
}

/** Chooses every layer, writes the plan to the model, and makes factors that are nowhere zero. */
export function planned(model: Model, options: Partial<SelectOptions> = {}): ReadonlyMap<string, TensorData> {
  const { plan } = selectSites(model, { rank: 2, targets: ['.*'], ...options });
  writePlan(model, plan);
  const factors = new Map<string, TensorData>();
  for (const row of plan.plans) {
    for (const { name, shape } of planFactors([row])) {
      factors.set(name, f32Tensor(shape, noise(elementCount(shape), 31 + factors.size)));
    }
  }
  return factors;
}

/** The product of two row-major matrices in float64. */
export function times(a: Matrix, b: Matrix): Matrix {
  const data = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.columns; j++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) sum += a.data[i * a.columns + k]! * b.data[k * b.columns + j]!;
      data[i * b.columns + j] = sum;
    }
  }
  return { rows: a.rows, columns: b.columns, data };
}

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export function matrix(tensor: TensorData): Matrix {
  return { rows: tensor.shape[0]!, columns: tensor.shape[1]!, data: toF64(tensor) };
}

export function turn({ rows, columns, data }: Matrix): Matrix {
  return {
    rows: columns,
    columns: rows,
    data: Float64Array.from(
      { length: data.length },
      (_, k) => data[(k % rows) * columns + Math.floor(k / rows)]!,
    ),
  };
}

/** alpha x W + beta b + scale x F1 F2 ..., by the formula, for a layer of {@link layerModel}. */
export function expected(
  form: LayerForm,
  x: Float64Array,
  weight: TensorData,
  bias: TensorData | null,
  factors: readonly TensorData[],
  scale: number,
): Float64Array {
  const rows = matrix(weight);
  const w = (form.transB ?? false) !== (form.transposed ?? false) ? turn(rows) : rows;
  const input = { rows: x.length / w.rows, columns: w.rows, data: x };
  const base = times(input, w).data;
  const delta = factors.length === 0 ? null : factors.map(matrix).reduce(times, input).data;
  const b = bias ? toF64(bias) : null;
  return base.map(
    (v, k) =>
      (form.alpha ?? 1) * v + scale * (delta?.[k] ?? 0) + (b ? (form.beta ?? 1) * b[k % w.columns]! : 0),
  );
}
