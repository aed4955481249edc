import { illegalOp } from '../../ir/codes/training.js';
import { type Diagnostic, LotrcError } from '../../ir/diagnostics.js';
import { type Model, nodePath } from '../../ir/model.js';
import type { Ep } from '../../train/signature.js';
import { COARSE, WEBGPU } from './legality/webgpu.js';

/** What a provider cannot run: the reason for an op, or null when it can. */
export type Legality = (opKey: string, outputs: readonly string[]) => string | null;

/** Read from ONNX Runtime 1.30: cpu, cuda and wasm have kernels for all that training graphs use. */
const TABLES: Readonly<Record<Ep, Legality | null>> = { cpu: null, cuda: null, wasm: null, webgpu: WEBGPU };

/**
 * Throws LOTR5006 for every node without a kernel on the provider. ONNX Runtime would run it on the CPU and copy its
 * data each step, without a word. Nodes that compute shapes (their results are small integers on the host) are exempt.
 */
export function checkLegality(model: Model, ep: Ep, allowed: readonly string[]): void {
  const table = TABLES[ep];
  if (!table) return;
  const found: Diagnostic[] = [];
  for (const node of model.everyNode()) {
    const why = table(
      node.opKey,
      node.outputs.map(({ name }) => name),
    );
    if (why === null || allowed.includes(node.op) || onHost(node.outputs[0]?.type)) continue;
    const at = { kind: 'node', path: nodePath(node), op: node.opKey } as const;
    found.push(illegalOp({ op: node.opKey, ep, at, why }));
  }
  if (found.length > 0) throw new LotrcError(found);
}

/**
 * Names of the nodes that the provider computes too coarsely; a host leaves them to the CPU. Nodes without a name get
 * one: the session option knows no other handle.
 */
export function coarseNodes(model: Model, ep: Ep): readonly string[] {
  if (ep !== 'webgpu') return [];
  const found: string[] = [];
  for (const node of model.graph.nodes) {
    if (!COARSE.has(node.opKey)) continue;
    if (!node.name) node.rename(model.graph.names.freshNode(`coarse/${node.op}`));
    found.push(node.name);
  }
  return found;
}

/** Integer tensors are shapes and indices, which the runtime keeps on the host anyway. */
function onHost(type: { kind: string } | null | undefined): boolean {
  const tensor = type as { kind: 'tensor'; dtype: string } | null | undefined;
  return tensor?.kind === 'tensor' && (tensor.dtype === 'i64' || tensor.dtype === 'i32');
}
