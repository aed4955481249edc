import { formFor, lettersOfFactor } from '../../adapter/description.js';
import { factorNames, groupOf, planFactors } from '../../adapter/plan-factors.js';
import type { PlanRow, SavedPlan, SiteRow } from '../../adapter/saved-plan.js';
import { deltaTerm } from '../../adapter/terms.js';
import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { calibratedLayer } from '../../ir/codes/calibration.js';
import { fail } from '../../ir/diagnostics.js';
import type { Model, Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import { i64Tensor } from '../../ir/tensor.js';
import { outputsByName } from '../plan/plan.js';
import { isSet } from '../sites/base-attrs.js';
import { groupBy } from '../sites/group-by.js';
import { CONVOLUTION } from './conv-layer.js';
import { baseNode } from './insert.js';

/** ONNX's number for float64. */
const DOUBLE = 11;
/** ReduceSum takes its axes as an input from this operator set on. */
const AXES_AS_INPUT = 13;

/** What a model with sketches says of the inputs of some layers, which read one factor. */
export interface InputSketch {
  /** tensors of the plan, all of [in, rank] */
  readonly factors: readonly string[];
  /** the first of its layers, for messages */
  readonly layer: string;
  readonly in: number;
  readonly rank: number;
  /** the input of the model: vectors as columns [in, any] */
  readonly vectors: string;
  /** outputs, one for each value that layers read: X^T X times the vectors, in float64 */
  readonly reads: readonly (ReadOutputs & { readonly times: number })[];
}

/** Outputs of one value that layers read, as rows X. */
interface ReadOutputs {
  readonly product: string;
  /** sums over the rows [in], of their squares [], and how many there are [2] */
  readonly sum: string;
  readonly squares: string;
  readonly shape: string;
}

/**
 * Which factor of a method reads the input of a layer as it is, by its number, or what is wrong: it must be a matrix of in x rank that does not
 * start at zero.
 */
export function inputFactor(spec: PlanRow['spec']): number | string {
  const { in: letters } = deltaTerm(spec.delta);
  const at = spec.factors.findIndex(({ mode, slice }, k) => {
    const own = lettersOfFactor(spec, k);
    const plain = mode !== 'seeded' && slice !== true && own.length === 2;
    return letters.length === 1 && plain && own[0] === letters[0];
  });
  if (at < 0) return `${spec.method} has no matrix of its own on the input side`;
  const zero = spec.factors.some(({ init }, k) => k !== at && init === 'zeros');
  return zero ? at : `${spec.method} has no other factor that starts at zero`;
}

/** Adds to a planned model, in place, what its layers' inputs are asked for. Throws LOTR3030. */
export function sketchInputs(model: Model, plan: SavedPlan): readonly InputSketch[] {
  const reads = readsOf(model, plan);
  const shapes = new Map(planFactors(plan.plans).map(({ name, shape }) => [name, shape]));
  const b = new GraphBuilder(model.graph, { before: null, pass: 'eva', prefix: 'eva' });
  const rows = new Map<Value, ReturnType<typeof rowsOf>>();
  // layers that read the same values at the same rank have the same directions
  const alike = groupBy(reads, ([name, { times }]) => {
    const values = [...times].map(([value, count]) => `${value.name}*${count}`).sort();
    return JSON.stringify([shapes.get(name), values]);
  });
  return [...alike.values()].map((members, number): InputSketch => {
    const [name, { layer, times }] = members[0]!;
    const [inn, rank] = shapes.get(name) as [number, number];
    const vectors = model.graph.addInput(
      model.graph.names.freshValue(`eva/vectors.${number}`),
      tensorType('f64', [inn, `eva_${number}`]),
    );
    return {
      ...{ layer, in: inn, rank, vectors: vectors.name },
      factors: members.map(([factor]) => factor),
      reads: [...times].map(([value, count]) => {
        const held = rows.get(value) ?? rowsOf(b, model, value, inn);
        rows.set(value, held);
        const product = b.one('MatMul', [held.transposed, b.one('MatMul', [held.rows, vectors])]);
        return { ...held.outputs, product: held.give(product), times: count };
      }),
    };
  });
}

/** How often the layers of each factor read which values. */
function readsOf(model: Model, plan: SavedPlan) {
  const found = new Map<string, { readonly layer: string; readonly times: Map<Value, number> }>();
  const outputs = outputsByName(model);
  for (const row of plan.plans) {
    for (const site of row.sites) {
      const factor = inputFactor(formFor(row.spec, groupOf(row, site)));
      if (typeof factor === 'string') return fail(calibratedLayer({ site: site.id, why: factor }));
      const name = factorNames(row, site)[factor]!;
      const held = found.get(name) ?? { layer: site.id, times: new Map<Value, number>() };
      found.set(name, held);
      for (const use of site.uses) {
        const x = inputOf(model, site, baseNode(outputs, site, use));
        held.times.set(x, (held.times.get(x) ?? 0) + 1);
      }
    }
  }
  return [...found];
}

function inputOf(model: Model, site: SiteRow, { x, identity }: ReturnType<typeof baseNode>): Value {
  const refuse = (why: string): never => fail(calibratedLayer({ site: site.id, why }));
  if (identity.opKey === CONVOLUTION) refuse('it is a convolution');
  if (!x) return refuse('it is a matrix of a stack of experts, which is added to before it is multiplied');
  if (identity.graph !== model.graph) refuse('it is in a subgraph');
  if (isSet(identity, 'transA')) refuse('it reads its input transposed');
  return x;
}

/** A value as rows in float64, and what the model says of it apart from products. */
function rowsOf(b: GraphBuilder, model: Model, value: Value, width: number) {
  const flat = b.one('Reshape', [value, b.constant(i64Tensor([2], [-1, width]), 'eva/shape')]);
  const rows = b.one('Cast', [flat], { to: attrInt(DOUBLE) });
  const [axes, attrs] =
    b.opset < AXES_AS_INPUT
      ? [[], { axes: attrInts([0]) }]
      : [[b.constant(i64Tensor([1], [0]), 'eva/axes')], {}];
  const give = (of: Value): string => {
    model.graph.addOutput(of);
    return of.name;
  };
  return {
    rows,
    transposed: b.one('Transpose', [rows], { perm: attrInts([1, 0]) }),
    give,
    outputs: {
      sum: give(b.one('ReduceSum', [rows, ...axes], { ...attrs, keepdims: attrInt(0) })),
      squares: give(b.one('ReduceSumSquare', [rows], { keepdims: attrInt(0) })),
      shape: give(b.one('Shape', [rows])),
    },
  };
}
