import { input, type Vjp } from './vjp.js';

/**
 * RotaryEmbedding (opset 23 and com.microsoft) rotates pairs by an angle: the gradient is the same op with the angle
 * negated, i.e. with -sin. `sinAt` is the input number of the sine cache.
 */
export function rotaryVjp(sinAt: number): Vjp {
  return (b, node, [dy]) => {
    if (b.wants(sinAt - 1) || b.wants(sinAt))
      return { because: 'its angles depend on trained values', at: node };
    const sine = input(node, sinAt);
    const inputs = node.inputs.map((value, i) => (i === 0 ? dy! : i === sinAt ? b.neg(sine) : value));
    const attrs = Object.fromEntries(node.attrs);
    const [dx] = b.node(node.op, inputs, attrs, { domain: node.domain });
    return node.inputs.map((_, i) => (i === 0 ? dx! : null));
  };
}
