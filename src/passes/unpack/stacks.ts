import type { SavedPlan } from '../../adapter/saved-plan.js';
import { attrInt, attrInts } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { isFloat } from '../../ir/dtype.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { StridedTensor } from '../../ir/strided-tensor.js';
import type { TensorData } from '../../ir/tensor.js';
import { dropStored, isOverridable } from '../adapters/stored-weight.js';
import { parsePythonList } from '../sites/names/scopes.js';
import { FOLDED_FROM } from '../sites/names/tensors.js';
import { parsePattern } from '../sites/patterns.js';
import { MATRIX, type StackLayout, stackExtents, stackLayout } from '../sites/stacked.js';
import { axesInput, unsqueeze } from './unsqueeze.js';

/** A stored tensor that holds the matrices of several experts. */
export interface Stack {
  readonly holder: Value;
  readonly data: TensorData;
  /** its path in the module: `model.layers.0.mlp.experts.gate_up_proj` */
  readonly path: string;
  readonly layout: StackLayout;
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

/** The stacks of a model that products read, in the order of their tensors. */
export function findStacks(model: Model): readonly Stack[] {
  const found: Stack[] = [];
  for (const holder of model.graph.initializers.values()) {
    const extents = stackExtents(holder);
    const data = holder.constant;
    if (!extents || !data || !isFloat(data.dtype) || isOverridable(model, holder)) continue;
    if (data.byteLength % (extents[0] * extents[1] * extents[2]) !== 0) continue;
    const layout = stackLayout(holder);
    const [count, rows, columns] = extents;
    if (layout) found.push({ holder, data, path: pathOf(holder), layout, count, rows, columns });
  }
  return found;
}

/**
 * Takes stacks apart, in place: each matrix becomes a stored tensor `<path>.<number>.weight` of its own after an
 * Identity, and a Concat puts them together again for the readers of the stack. Matrices that are read as (out, in) are
 * transposed, so that each layer is (in, out). Returns how many stacks.
 */
export function unpackStacks(model: Model, wanted: (path: string) => boolean): number {
  let count = 0;
  for (const stack of findStacks(model)) {
    if (!wanted(stack.path)) continue;
    takeApart(model, stack);
    count++;
  }
  return count;
}

function takeApart(model: Model, { holder, data, path, layout, count, rows, columns }: Stack): void {
  const { graph } = model;
  const readers = [...holder.uses];
  const b = new GraphBuilder(graph, { before: firstOf(model, readers), pass: 'unpack' });
  const axes = axesInput(b, [0]);
  const turns = layout === 'oi';
  const parts = Array.from({ length: count }, (_, k) => {
    const part = { shape: [rows, columns], strides: [columns, 1], offset: k * rows * columns };
    const stored = b.constant(new StridedTensor(data, part), `${path}.${k}.weight`);
    const matrix = turns
      ? b.one('Transpose', [stored], { perm: attrInts([1, 0]) }, `${path}.${k}.turned`)
      : stored;
    const [single] = b.node(MATRIX, [matrix], {}, { name: `${path}.${k}`, outputs: [`${path}.${k}`] });
    return unsqueeze(b, single!, [0], `${path}.${k}.one`, axes);
  });
  const together = b.one('Concat', parts, { axis: attrInt(0) }, `${path}.stack`);
  const whole = turns
    ? b.one('Transpose', [together], { perm: attrInts([0, 2, 1]) }, `${path}.stack.turned`)
    : together;
  for (const { node, index } of readers) node.setInput(index, whole);
  dropStored(model, holder);
}

/** The first node of the main graph that reads the stack, itself or in a graph inside it. */
function firstOf(model: Model, readers: readonly { readonly node: Node }[]): Node | null {
  const outer = new Set(
    readers.map(({ node }) => {
      let at = node;
      while (at.graph?.owner instanceof Node) at = at.graph.owner;
      return at;
    }),
  );
  for (const node of model.graph.nodes) if (outer.has(node)) return node;
  return model.graph.nodes.first;
}

/** The parameter's name as the exporter keeps it, without `.weight`. */
function pathOf(holder: Value): string {
  const carried = holder.constant?.carried?.metadata.find(([name]) => name === FOLDED_FROM)?.[1];
  const [folded] = parsePythonList(carried ?? holder.metadata.get(FOLDED_FROM));
  return (folded ?? holder.name).replace(/\.weight$/, '');
}

/** Paths of the stacks that targets name, the stack itself or one of its matrices. */
export function stacksNamed(model: Model, targets: readonly string[]): readonly string[] {
  const stacks = findStacks(model);
  if (stacks.length === 0) return [];
  const patterns = targets
    .map((text) => parsePattern(text, '--target'))
    .filter(({ kind }) => kind !== 'all-linear');
  const matches = ({ path, count }: Stack): boolean => {
    // the first segment may be a wrapper, which is dropped from module paths
    const names = [path, path.slice(path.indexOf('.') + 1)];
    const all = names.flatMap((name) => [name, ...Array.from({ length: count }, (_, k) => `${name}.${k}`)]);
    return all.some((name) => patterns.some((pattern) => pattern.matches(name)));
  };
  return stacks.filter(matches).map(({ path }) => path);
}

/** Whether a plan adapts matrices of a stack. */
export function stacksOf(plan: SavedPlan): (path: string) => boolean {
  const uses = plan.plans.flatMap(({ sites }) => sites.flatMap((site) => site.uses));
  const paths = uses.filter(({ op }) => op === MATRIX).map(({ weight }) => stackOf(weight));
  const known = new Set(paths);
  return (path) => known.has(path);
}

/** The path of the stack of which a stored matrix was taken. */
export function stackOf(weight: string): string {
  return weight.replace(/\.\d+\.weight(?:_\d+)?$/, '');
}

/** How many matrices each stack of a model has, whole or taken apart, by its path. */
export function expertCounts(model: Model): ReadonlyMap<string, number> {
  const counts = new Map(findStacks(model).map(({ path, count }) => [path, count]));
  for (const name of model.graph.initializers.keys()) {
    const path = stackOf(name);
    if (path !== name) counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}
