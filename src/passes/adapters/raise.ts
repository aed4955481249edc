import { effectiveScale, type PlanRow, type SiteRow, type SiteUseRow } from '../../ir/adapter.js';
import { attrFloat, attrString, type HeldAttr } from '../../ir/attr.js';
import { structureChanged } from '../../ir/codes/adapters.js';
import { fail } from '../../ir/diagnostics.js';
import { type Model, Node, type Value } from '../../ir/model.js';
import { supersede } from '../../ir/supersede.js';
import { ADAPTED, copyIdentity } from './insert.js';
import { factorNames, outputsByName, requirePlan } from './plan.js';

/**
 * The inverse of lowering: brings the adapted layers of a rewritten file back to `lotrc::LoTRLinear`, so that merging,
 * stripping, extracting and training see one form whatever the file was written in. Finds each layer by the output
 * name in the plan. Throws LOTR3201 without a plan, LOTR3203 when a layer has another form than lotrc writes.
 */
export function raiseAdapters(model: Model, doing: string): void {
  const plan = requirePlan(model, doing);
  const outputs = outputsByName(model);
  for (const row of plan.plans) {
    for (const site of row.sites) {
      for (const use of site.uses) raiseUse(model, row, site, use, outputs.get(use.output));
    }
  }
  for (const [key, fn] of model.functions) if (fn.domain === 'lotrc') model.removeFunction(key);
  model.setOpset('lotrc', 1);
}

function raiseUse(model: Model, row: PlanRow, site: SiteRow, use: SiteUseRow, y: Value | undefined): void {
  const refuse = (why: string): never => fail(structureChanged({ site: site.id, output: use.output, why }));
  const top = y?.producer;
  if (!y || !top) throw refuse('no node delivers its output');
  if (top.opKey === ADAPTED) return;
  const factors = factorNames(row, site).map(
    (name) => model.graph.own(name) ?? refuse(`factor "${name}" is not in the model`),
  );
  const group = row.groups.find(({ id }) => id === site.group)!;
  const layer = top.domain === 'lotrc' ? fromCall(top, factors.length) : fromSum(top, use, factors);
  if (typeof layer === 'string') throw refuse(layer);
  const graph = top.graph!;
  const attrs = new Map<string, HeldAttr>([
    ['delta', attrString(row.spec.delta)],
    ['scale', attrFloat(effectiveScale(row.spec, group.rank))],
    ['base', attrString(use.op)],
    ...layer.attrs,
  ]);
  const node = new Node({
    op: 'LoTRLinear',
    domain: 'lotrc',
    name: layer.identity.name,
    inputs: [layer.x, layer.w, ...factors, ...(layer.bias ? [layer.bias] : [])],
    outputs: [graph.names.freshValue(`${use.output}/raised`)],
    attrs,
    origin: { from: [layer.identity.name], pass: 'raise-adapters' },
  });
  copyIdentity(layer.identity, node);
  graph.insertBefore(top, node);
  supersede(y, node.outputs[0]!, `${use.output}/lowered`);
  eraseDead(top);
}

interface Layer {
  /** the node whose name, documentation and metadata the layer keeps */
  readonly identity: Node;
  readonly x: Value;
  readonly w: Value;
  readonly bias: Value | null;
  readonly attrs: readonly (readonly [string, HeldAttr])[];
}

/** y = Add(base, delta), with every factor somewhere above delta and nothing else but constants and x. */
function fromSum(sum: Node, use: SiteUseRow, factors: readonly Value[]): Layer | string {
  if (sum.opKey !== 'Add') return `its output comes from ${sum.opKey}, not from an Add`;
  const base = sum.inputs[0]?.producer;
  if (base?.opKey !== use.op) return `the first operand of its sum is not the base ${use.op}`;
  const [x, w] = base.inputs;
  if (!x || !w) return 'its base node lacks an input';
  const delta = sum.inputs[1];
  if (!delta) return 'its sum lacks an operand';
  const found = leaves(delta, x);
  const missing = factors.find((factor) => !found.has(factor));
  if (missing) return `its added part does not read factor "${missing.name}"`;
  return { identity: base, x, w, bias: base.inputs[2] ?? null, attrs: [...base.attrs] };
}

/** A call of lotrc's model-local function: inputs are x, W, the factors and perhaps a bias. */
function fromCall(call: Node, count: number): Layer | string {
  const [x, w] = call.inputs;
  if (!x || !w) return 'its call lacks an input';
  const attrs = [...call.attrs].filter(([name]) => name !== 'scale');
  return { identity: call, x, w, bias: call.inputs[2 + count] ?? null, attrs };
}

/** Values without producer that a value is computed from, not looking behind `stop`. */
function leaves(from: Value, stop: Value): ReadonlySet<Value> {
  const found = new Set<Value>();
  const seen = new Set<Value>([stop]);
  const stack = [from];
  for (let value = stack.pop(); value; value = stack.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (!value.producer) found.add(value);
    else for (const input of value.producer.inputs) if (input) stack.push(input);
  }
  return found;
}

/** Erases a node whose outputs nobody reads, and then what only it read. */
export function eraseDead(node: Node): void {
  const stack = [node];
  for (let current = stack.pop(); current; current = stack.pop()) {
    if (!current.graph) continue;
    if (current.outputs.some((output) => output.uses.size > 0 || output.isOutput)) continue;
    const sources = current.inputs.map((input) => input?.producer);
    const constants = current.inputs.filter((input) => input?.constant);
    current.graph.erase(current);
    for (const source of sources) if (source) stack.push(source);
    for (const value of constants) if (value && isScale(value)) dropIfUnused(value);
  }
}

/** The scale constants are lotrc's own; factors stay until a pass decides about them. */
function isScale(value: Value): boolean {
  return value.name.startsWith('lotr/scale');
}

/** Removes an initializer that nothing reads. */
export function dropIfUnused(value: Value): void {
  if (value.constant && value.graph && value.uses.size === 0 && !value.isOutput && !value.isInput) {
    value.graph.removeInitializer(value);
  }
}
