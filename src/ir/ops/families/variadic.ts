import type { Dim } from '../../shape.js';
import type { OpDef, OpName } from '../define.js';
import { broadcastIndex } from '../ints.js';
import { zip } from '../nd.js';
import { broadcastInputs, need, one, rule, tensorAt } from '../rules.js';
import { isInteger } from '../tensor-values.js';

/** f over any number of inputs with numpy broadcasting (before version 8 the shapes are equal, which is a case of it). */
export function variadic<const Op extends OpName>(
  name: Op,
  f: (...xs: number[]) => number,
  ints?: (a: Dim, b: Dim) => Dim,
): OpDef<Op> {
  return {
    name,
    since: 1,
    traits: ['pure', 'elementwise', 'commutative'],
    infer: rule<Op>((node, ctx) => {
      const types = node.inputs.map((_, index) => tensorAt(ctx, index));
      const shape = broadcastInputs(
        node,
        types.map((type) => type?.shape),
      );
      const dtype = types.find((type) => type !== null)?.dtype;
      const known =
        ints && shape && dtype && isInteger(dtype)
          ? broadcastIndex(
              node.inputs.map((_, index) => ctx.ints(index)),
              types.map((type) => type!.shape),
              shape,
            )
          : null;
      return one(
        dtype,
        shape,
        known?.map((row) => row.reduce(ints!)),
      );
    }),
    value: (_, inputs) => [
      zip(
        inputs.map((__, index) => need(inputs, index)),
        f,
      ),
    ],
  };
}
