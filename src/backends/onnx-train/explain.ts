import type { Model, Value } from '../../ir/model.js';
import { inferShapes } from '../../passes/infer-shapes.js';
import { findLinears } from '../../passes/sites/find.js';
import { groupBy } from '../../passes/sites/group-by.js';
import { beginTraining, type DirectoryRequest } from './directory.js';
import { gradGraph, stepGraph } from './graphs.js';
import { frozenProducts } from './int8/products.js';

/** What the products of a step with a stored matrix of the base compute in. */
export interface MatrixForm {
  /** the module path of the layer, or what it is called without one */
  readonly layer: string;
  /** [in, out]; null where the matrix is stored in another form */
  readonly shape: readonly [number, number] | null;
  /** `as stored`: the operator of the model that takes a matrix which is not of floats; `none`: the step has no such product */
  readonly form: 'float32' | 'int8' | 'as stored' | 'none';
  readonly why: string;
}

/** Each matrix that a linear layer of the base multiplies by, in the order of the layers. Throws as `emitTraining`. */
export function explainProducts(request: DirectoryRequest): readonly MatrixForm[] {
  const { options } = request;
  const { first, factors, params, changes, fresh } = beginTraining(request);
  const { model } =
    changes.length > 0
      ? gradGraph(fresh('grad.onnx', { gradients: true, changes: true }), { params, changes }, options, null)
      : stepGraph(fresh('step.onnx', { gradients: true }), params, options, null);
  inferShapes(model);
  const frozen = frozenProducts(model, new Set(factors.keys()));
  const products = groupBy(frozen, ({ product }) => product.holder.name);
  const trained = new Set(params.filter(({ row }) => row.group === null).map(({ row }) => row.name));
  const nested = nestedReads(model);
  const formOf = (weight: Value): Pick<MatrixForm, 'form' | 'why'> => {
    const found = products.get(weight.name);
    if (found) {
      const against = found.find(({ why }) => why !== null)?.why ?? null;
      const count = `${found.length} ${found.length === 1 ? 'product' : 'products'} of the step`;
      if (against !== null) return { form: 'float32', why: `${count}: ${against}` };
      return options.baseDtype === 'int8'
        ? { form: 'int8', why: `${count}; frozen, in float32` }
        : { form: 'float32', why: `${count}, as --base-dtype says` };
    }
    if (trained.has(weight.name)) return { form: 'float32', why: 'it is trained in full' };
    if (nested.has(weight.name))
      return { form: 'float32', why: 'its product is in a branch, a loop or a function' };
    const held = model.graph.own(weight.name);
    if (!held) return { form: 'none', why: 'the loss does not need it' };
    const type = held.type?.kind === 'tensor' ? held.type : null;
    if (type && type.dtype !== 'f32') return { form: 'as stored', why: `the file has it in ${type.dtype}` };
    const readers = [...new Set([...held.uses].map(({ node }) => node.op))].sort().join(', ');
    return { form: 'float32', why: `${readers === '' ? 'its reader' : readers} has no form in 8 bits` };
  };
  const { sites, refused } = findLinears(first);
  return [
    ...sites.map(({ id, in: inn, out, uses }) => ({
      layer: id,
      shape: [inn, out] as const,
      ...formOf(uses[0]!.weight),
    })),
    ...refused.map(({ id, candidate, weight }) => {
      const { in: inn, out } = candidate;
      return { layer: id, shape: inn && out ? ([inn, out] as const) : null, ...formOf(weight) };
    }),
  ];
}

/** Names of stored values of the main graph that graphs within it read. */
function nestedReads(model: Model): ReadonlySet<string> {
  const found = new Set<string>();
  for (const node of model.everyNode()) {
    if (node.graph === model.graph) continue;
    for (const input of node.inputs) if (input && input.graph === model.graph) found.add(input.name);
  }
  return found;
}
