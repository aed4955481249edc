import { fail } from '../../ir/diagnostics.js';
import type { Value } from '../../ir/model.js';
import { tensorType } from '../../ir/shape.js';
import type { TrainBuilder } from '../../train/losses/builder.js';
import { type Correction, optimizerDef } from '../../train/optimizers/index.js';
import { matrixOptimizer } from '../codes/training-loss.js';
import { guard, type Updated, update } from './optimizer.js';
import type { TrainOptions } from './options.js';
import type { SteppedRow } from './params.js';
import { addScalar, type Ports, paramPort, publish, scalarPort } from './ports.js';

/** Optimizer nodes for all rows, with ports for state, scalars and results. */
export function addUpdate(
  b: TrainBuilder,
  ports: Ports,
  rows: readonly SteppedRow[],
  values: readonly Value[],
  scaledGrads: readonly Value[],
  options: TrainOptions,
  scale: Value | null,
): void {
  const { graph } = b;
  const { optimizer } = options;
  const { kind, arithmetic, slots: slotNames, corrections } = optimizerDef(optimizer.kind);
  const odd = arithmetic === 'matrices' ? rows.find(({ shape }) => shape.length !== 2) : undefined;
  if (odd) fail(matrixOptimizer({ kind, param: odd.name, shape: odd.shape }));
  const slots = rows.map((row) =>
    slotNames.map((slot) => {
      const name = `${row.name}/${slot}`;
      ports.inputs.push({
        ...paramPort(row.name, row.shape),
        name,
        role: 'state',
        slot,
        next: `${name}/next`,
      });
      return graph.addInput(name, tensorType('f32', row.shape));
    }),
  );
  for (const row of rows) {
    // a change is projected first, and then made again of its factors
    if (row.role === 'change') continue;
    const at = ports.inputs.findIndex((port) => port.role === 'param' && port.param === row.name);
    ports.inputs[at] = { ...ports.inputs[at]!, next: `${row.name}/next` };
  }
  const lr = addScalar(graph, ports, 'lr', options.names === 'ort' ? 'learning_rate' : 'lr');
  // each rate of a group is that of some row
  const rates = 1 + Math.max(-1, ...rows.map(({ rate = -1 }) => rate));
  const ownRates = Array.from({ length: rates }, (_, rate) =>
    addScalar(graph, ports, 'lr', `${lr.name}/${rate}`, { rate }),
  );
  const corrected = (Object.keys(corrections) as Correction[]).map(
    (name) => [name, addScalar(graph, ports, name)] as const,
  );
  const grads = scaledGrads.map((grad) => unscaled(b, grad, scale));
  const guarded = guard(b, grads, options.maxNorm);
  const results: { row: (typeof rows)[number]; updated: Updated }[] = rows.map((row, i) => {
    const { lrMultiplier, weightDecay, rate } = row;
    const scalars = { lr: rate === undefined ? lr : ownRates[rate]!, ...Object.fromEntries(corrected) };
    const trained = { param: values[i]!, grad: grads[i]!, slots: slots[i]!, lrMultiplier, weightDecay };
    const names = {
      param: `${row.name}/next`,
      slots: slotNames.map((slot) => `${row.name}/${slot}/next`),
    };
    return { row, updated: update(b, optimizer, scalars, guarded, trained, names) };
  });
  for (const { row, updated } of results) {
    publish(graph, updated.param, `${row.name}/next`);
    updated.param.setType(tensorType('f32', row.shape));
    ports.outputs.push({ ...paramPort(row.name, row.shape), role: row.role, name: updated.param.name });
  }
  for (const { row, updated } of results) {
    for (const [k, value] of updated.slots.entries()) {
      const slot = slotNames[k]!;
      publish(graph, value, `${row.name}/${slot}/next`);
      value.setType(tensorType('f32', row.shape));
      ports.outputs.push({ ...paramPort(row.name, row.shape), name: value.name, role: 'state', slot });
    }
  }
  publish(graph, guarded.norm, 'grad_norm');
  ports.outputs.push(scalarPort(guarded.norm.name, 'norm'));
  publish(graph, guarded.finite, 'finite', 'bool');
  ports.outputs.push({ name: guarded.finite.name, role: 'finite', dtype: 'bool', shape: [] });
}

export function unscaled(b: TrainBuilder, grad: Value, scale: Value | null): Value {
  return scale ? b.one('Div', [grad, scale]) : b.one('Identity', [grad]);
}
