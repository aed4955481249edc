import { opsetOf } from '../../ir/builder.js';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';
import { type DType, dtypeText, isFloat } from '../../ir/dtype.js';
import { own } from '../../ir/keys.js';
import { functionKey, type Model, type Node, nodePath } from '../../ir/model.js';
import { OP_VERSIONS } from '../../ir/ops/generated/attr-defaults.js';
import type { TrainingEp } from '../../train/signature.js';
import { illegalOp, unsureKernel } from '../codes/training.js';
import { PROVIDERS } from './legality/providers.js';

type Verdict = { readonly is: 'legal' | 'unsure' } | { readonly is: 'illegal'; readonly why: string };
const LEGAL: Verdict = { is: 'legal' };

/**
 * Throws LOTR5006 for every node without a kernel on the provider, given op, version and element type. ONNX Runtime
 * would run it on the CPU and copy its data in each step, without a message. Exempt are nodes that compute shapes and
 * indices, which the runtime keeps on the host, and the ops of `allowed`. Returns remarks (LOTR5009) on what its lists
 * leave open.
 */
export function checkLegality(
  model: Model,
  ep: TrainingEp,
  allowed: readonly string[],
): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const unsure = new Map<string, number>();
  for (const node of model.everyNode()) {
    if (allowed.includes(node.op) || onHost(node)) continue;
    if (model.functions.has(functionKey(node.domain, node.op, node.overload))) continue;
    const verdict = judge(node, ep);
    if (verdict.is === 'unsure') {
      const key = `${node.op}-${versionOf(node)}`;
      unsure.set(key, (unsure.get(key) ?? 0) + 1);
    }
    if (verdict.is !== 'illegal') continue;
    const at = { kind: 'node', path: nodePath(node), op: node.opKey } as const;
    found.push(illegalOp({ op: node.opKey, ep, at, why: verdict.why }));
  }
  if (found.length > 0) throw new LotrcError(found);
  const count = [...unsure.values()].reduce((a, b) => a + b, 0);
  return count === 0 ? [] : [unsureKernel({ ep, count, ops: [...unsure.keys()].sort() })];
}

/**
 * Names of the nodes that the provider computes too coarsely; a host leaves them to the CPU. Nodes without a name get
 * one: the session option knows no other handle.
 */
export function coarseNodes(model: Model, ep: TrainingEp): readonly string[] {
  const found: string[] = [];
  for (const node of model.graph.nodes) {
    if (!PROVIDERS[ep].coarse.has(node.opKey)) continue;
    if (!node.name) node.rename(model.graph.names.freshNode(`coarse/${node.op}`));
    found.push(node.name);
  }
  return found;
}

function judge(node: Node, ep: TrainingEp): Verdict {
  const { kernels, expanded, widensHalf, registered, reasons, unwritten } = PROVIDERS[ep];
  // ops of other domains have a library and kernels of their own
  if (node.domain !== '' && node.domain !== 'com.microsoft') return LEGAL;
  const row = kernels.get(node.opKey);
  if (!row) {
    const why = reasons[node.opKey] ?? 'it has no kernel there';
    return expanded.has(node.opKey) ? LEGAL : { is: 'illegal', why };
  }
  const version = versionOf(node);
  const kernel = row.versions.find(({ from, to }) => from <= version && (to === null || version <= to));
  if (!kernel) {
    const { from, to } = row.versions.at(-1)!;
    const known = to === null ? `from version ${from} on` : `up to version ${to}`;
    return { is: 'illegal', why: `it has a kernel there ${known}, and this is version ${version}` };
  }
  const lost = unwritten[node.opKey]?.find((index) => node.outputs[index]?.name);
  if (lost !== undefined) return { is: 'illegal', why: `its output ${lost} is not written there` };
  const type = node.inputs[row.operand]?.type;
  const dtype = type?.kind === 'tensor' ? type.dtype : null;
  // integers and booleans of a type that a kernel lacks are masks and indices made from the batch: small, and on the host
  const widened = !dtype || !isFloat(dtype) ? null : widensHalf && dtype === 'f16' ? 'f32' : dtype;
  if (widened && kernel.types && !kernel.types.has(widened)) {
    return { is: 'illegal', why: `its kernel there takes no ${dtypeText(widened)}` };
  }
  return registered && kernel.to === null && kernel.from < version ? { is: 'unsure' } : LEGAL;
}

/** Whether the provider has a kernel of an op (key as in `Node.opKey`) for a type, in that version of its operator set. */
export function hasKernel(ep: TrainingEp, op: string, opset: number, dtype: DType = 'f32'): boolean {
  const row = PROVIDERS[ep].kernels.get(op);
  return !!row?.versions.some(
    ({ from, to, types }) => from <= opset && (to === null || opset <= to) && (!types || types.has(dtype)),
  );
}

/** The operator set in which the op got the form that the node has; 1 for ops of contrib. */
function versionOf(node: Node): number {
  if (node.domain !== '') return 1;
  const opset = opsetOf(node.graph!);
  const since = (own(OP_VERSIONS, node.op) ?? []).map((version) => version.since).filter((at) => at <= opset);
  return since.at(-1) ?? opset;
}

/** Integer tensors are shapes and indices, which the runtime keeps on the host anyway. */
function onHost({ outputs }: Node): boolean {
  return outputs.every(
    ({ name, type }) =>
      name === '' || (type?.kind === 'tensor' && (type.dtype === 'i64' || type.dtype === 'i32')),
  );
}
