import { type AdapterSpec, effectiveScale, shapeOfFactor } from '../../src/adapter/description.js';
import type { EmittedFile } from '../../src/backends/host/shared/emitted.js';
import { contract } from '../../src/backends/kernel/model/contract.js';
import type { DeviceProfile, KernelDtype, UnitRounding } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { type Attr, attrFloat, attrInt, attrString } from '../../src/ir/attr.js';
import { GraphBuilder } from '../../src/ir/builder.js';
import { dtypeToOnnx } from '../../src/ir/dtype.js';
import { Graph, type GraphFunction, Model, Node, type Value } from '../../src/ir/model.js';
import type { NdArray } from '../../src/ir/ops/core/define.js';
import { opDef } from '../../src/ir/ops/index.js';
import { tensorType } from '../../src/ir/shape.js';
import { MemoryTensor } from '../../src/ir/tensor.js';
import { parseModel } from '../../src/ir/text/index.js';
import { encodeFloats, toF64 } from '../../src/ir/values.js';
import { defineFunction } from '../../src/passes/adapters/function-body.js';
import { defineGradient, gradientHints } from '../../src/passes/adapters/gradient-function.js';
import { stemOf } from '../../src/passes/adapters/to-functions.js';
import { rewrite } from '../../src/rewrite.js';
import { inPairs, profile } from './devices.js';
import { cudaHost } from './emitted-files.js';
import { values } from './kernel-cases.js';
import type { Feed } from './ort-op.js';

/** The operators of a library for the layers of a rewritten model. */
export function operators(
  model: Model,
  tokens: number,
  rounding: UnitRounding | null = null,
  dtype: KernelDtype = 'f32',
  architectures: readonly string[] = ['sm_80'],
  device: DeviceProfile = inPairs(profile('h100', 'cuda')),
): readonly EmittedFile[] {
  const plan = choose(contract(model), {
    ...{ device, tokens, purpose: 'train', dtype },
    ...(rounding ? { rounding } : {}),
  });
  return cudaHost(plan, architectures);
}

/** A layer whose operators are called. */
export interface LayerCase {
  readonly spec: AdapterSpec;
  readonly rank: number;
  readonly inn: number;
  readonly out: number;
  /** W is (out, in) */
  readonly stored?: true;
  /** axes of x before the last */
  readonly rows: readonly number[];
  /** of x, W, y and their gradients; factors and their gradients are float32 */
  readonly dtype?: KernelDtype;
  /** the choices of outputs of the gradient that are called, as bits; all unless given */
  readonly masks?: readonly number[];
}

/** A rewritten model whose one layer is that of the case, with weights of any value: what a library is written from. */
export function layerModel({ spec, rank, inn, out, stored }: LayerCase): Model {
  const numbers = [...values(inn * out, 1)].join(', ');
  const op = stored ? 'Gemm' : 'MatMul';
  const node = stored ? 'Gemm <transB = 1> (x, "q.weight")' : 'MatMul (x, "q.weight")';
  const made = parseModel(`<ir_version: 9, opset_import: ["" : 17]>
g (float[n, ${inn}] x) => (float[n, ${out}] y)
<float[${stored ? `${out},${inn}` : `${inn},${out}`}] "q.weight" = {${numbers}}> { ["/q/${op}"] y = ${node} }`);
  rewrite(made, { spec, rank, targets: ['q'], lowering: 'function' });
  return made;
}

/** A model of calls, its inputs, and what each output is in float64 of the same inputs. */
export interface Calls {
  readonly model: Model;
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly expected: readonly { readonly name: string; readonly data: Float64Array }[];
}

/** Inputs of operators: float16 as it is; float32, which of bfloat16 the model rounds to the type of the layer, which they have exactly already. */
class Calling {
  readonly graph = new Graph('calls');
  readonly model = new Model(this.graph);
  readonly feeds: Record<string, Feed> = {};
  readonly expected: { readonly name: string; readonly data: Float64Array }[] = [];
  readonly given: NdArray[] = [];
  readonly inputs: Value[] = [];
  readonly #b: GraphBuilder;

  constructor(readonly dtype: KernelDtype) {
    this.model.setIrVersion(9);
    this.model.setOpset('', 17);
    this.model.setOpset('lotrc', 1);
    this.#b = new GraphBuilder(this.graph, { before: null, pass: 'test' });
  }

  input(shape: readonly number[], factor: boolean): void {
    const k = this.inputs.length;
    const dtype = factor ? 'f32' : this.dtype;
    const count = shape.reduce((a, b) => a * b, 1);
    const bytes = encodeFloats(dtype, values(count, 10 + k));
    const data = toF64(new MemoryTensor(dtype, shape, bytes));
    this.given.push({ shape, data: Float64Array.from(data) });
    // the runtime has no kernels of bfloat16 on a CPU, and takes no inputs either
    const own = dtype === 'f16' ? new Uint16Array(Uint8Array.from(bytes).buffer) : Float32Array.from(data);
    this.feeds[`i${k}`] = { extents: shape, data: own };
    const value = this.graph.addInput(`i${k}`, tensorType(dtype === 'f16' ? 'f16' : 'f32', shape));
    this.inputs.push(dtype === 'bf16' ? this.#cast(value, dtype, `i${k}/${dtype}`) : value);
  }

  /** Calls the function; outputs come back as float32. */
  call(
    fn: GraphFunction,
    attrs: Readonly<Record<string, Attr>>,
    names: readonly string[],
    right: readonly NdArray[],
  ) {
    this.model.addFunction(fn);
    const outputs = this.#b.node(fn.name, this.inputs, attrs, {
      domain: 'lotrc',
      outputs: names.map((name) => (this.dtype === 'f32' ? name : `${name}/${this.dtype}`)),
    });
    for (const [k, output] of outputs.entries()) {
      const wide = this.dtype === 'f32' ? output : this.#cast(output, 'f32', names[k]!);
      wide.setType(tensorType('f32', right[k]!.shape));
      this.graph.addOutput(wide);
      this.expected.push({ name: names[k]!, data: right[k]!.data });
    }
  }

  #cast(value: Value, to: KernelDtype, name: string): Value {
    return this.#b.one('Cast', [value], { to: attrInt(dtypeToOnnx(to)) }, name);
  }

  /** The operator's reference in float64. */
  reference(op: string, attrs: Readonly<Record<string, Attr>>, outputs: number): readonly NdArray[] {
    const names = Array.from({ length: outputs }, (_, k) => `r${k}`);
    const init = { domain: 'lotrc', inputs: this.inputs, outputs: names, attrs: Object.entries(attrs) };
    return opDef('lotrc', op, 1)!.value!(new Node({ op, ...init }), this.given);
  }
}

function calling({ spec, rank, inn, out, stored, rows, dtype = 'f32' }: LayerCase): Calling {
  const calls = new Calling(dtype);
  calls.input([...rows, inn], false);
  calls.input(stored ? [out, inn] : [inn, out], false);
  for (const k of spec.factors.keys()) calls.input(shapeOfFactor(spec, k, { in: inn, out, rank }), true);
  return calls;
}

/** A model that calls the gradient function of every choice of outputs. */
export function gradientCalls(one: LayerCase): Calls {
  const { spec, rank, out, stored, rows, masks, dtype = 'f32' } = one;
  const calls = calling(one);
  calls.input([...rows, out], false);
  const factors = spec.factors.map(({ name }) => name);
  const count = factors.length;
  const attrs = {
    scale: attrFloat(effectiveScale(spec, rank)),
    alpha: attrFloat(1),
    beta: attrFloat(1),
    transB: attrInt(stored ? 0 : 1),
  };
  const right = calls.reference('LoTRLinearGrad', { ...attrs, delta: attrString(spec.delta) }, count + 2);
  const all = Array.from({ length: (1 << (count + 2)) - 1 }, (_, mask) => mask + 1);
  const half = dtype !== 'f32';
  for (const mask of masks ?? all) {
    const wanted = right.map((_, k) => (mask & (1 << k)) !== 0);
    const chosen = [...wanted.keys()].filter((k) => wanted[k]);
    const hints = gradientHints({ factors, wanted });
    const op = [`${stemOf(spec)}Grad`, ...(half ? ['half'] : []), ...hints].join('_');
    const names = chosen.map((k) => `o${mask}_${k}`);
    const fn = defineGradient(op, { delta: spec.delta, factors, wanted, half, opset: 17 });
    calls.call(
      fn,
      attrs,
      names,
      chosen.map((k) => right[k]!),
    );
  }
  return calls;
}

/** A model that calls the function of the layer, with its bias or without. */
export function layerCalls(one: LayerCase, biased: boolean): Calls {
  const { spec, rank, out, stored, dtype = 'f32' } = one;
  const calls = calling(one);
  if (biased) calls.input([out], false);
  const half = dtype !== 'f32';
  const base = stored ? 'Gemm' : 'MatMul';
  const attrs = { scale: attrFloat(effectiveScale(spec, rank)), ...(stored ? { transB: attrInt(1) } : {}) };
  const own = { ...attrs, delta: attrString(spec.delta), base: attrString(base) };
  const op = [
    stemOf(spec),
    ...(stored ? ['gemm'] : []),
    ...(half ? ['half'] : []),
    ...(biased ? [] : ['nobias']),
  ];
  const factors = spec.factors.map(({ name }) => name);
  const form = { op: base, delta: spec.delta, factors, rest: biased ? 1 : 0, half, opset: 17 };
  calls.call(defineFunction(op.join('_'), form), attrs, ['y'], calls.reference('LoTRLinear', own, 1));
  return calls;
}
