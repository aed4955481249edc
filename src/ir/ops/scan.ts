import type { Dim, ValueType } from '../shape.js';
import { op } from './define.js';
import { unifyDim } from './dims.js';
import { settle } from './families/carried.js';
import { attrs, axisIn, joinTypes, rule, tensorAt, typeOf } from './rules.js';

/** Scan: the body gets the state and one slice of each scanned input, and gives the state and one slice per scan output. */
export const Scan = op({
  name: 'Scan',
  since: 9,
  infer: rule((node, ctx) => {
    const a = attrs(node, ctx);
    const states = node.inputs.length - a.num_scan_inputs;
    const initial = node.inputs.slice(0, states).map((_, k) => ctx.type(k));
    let length: Dim = null;
    const slices = node.inputs.slice(states).map((_, k): ValueType | null => {
      const x = tensorAt(ctx, states + k);
      if (!x?.shape) return typeOf(x?.dtype, null);
      const axis = axisIn(node, a.scan_input_axes?.[k] ?? 0, x.shape.length);
      length = unifyDim(length, x.shape[axis]!) ?? null;
      return typeOf(x.dtype, x.shape.toSpliced(axis, 1));
    });
    const { carried, outputs } = settle(initial, (types) => ctx.subgraph('body', [...types, ...slices]));
    const types = node.outputs.map((_, k) => {
      const type = outputs?.[k] ?? null;
      if (k < states) return joinTypes(carried[k] ?? null, type);
      if (type?.kind !== 'tensor' || !type.shape) return type;
      const axis = axisIn(node, a.scan_output_axes?.[k - states] ?? 0, type.shape.length + 1);
      return typeOf(type.dtype, type.shape.toSpliced(axis, 0, length));
    });
    return { types };
  }),
});
