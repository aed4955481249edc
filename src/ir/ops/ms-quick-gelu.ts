import { attrsOf } from './attrs.js';
import { op } from './define.js';
import { unaryWith } from './families/unary.js';
import { quickGeluVjp } from './gradients/gelu.js';

/** com.microsoft QuickGelu: x sigmoid(alpha x). */
export const MsQuickGelu = op(
  unaryWith('com.microsoft::QuickGelu', 1, (node) => {
    const { alpha } = attrsOf(node);
    return (x) => x / (1 + Math.exp(-alpha * x));
  }),
  { vjp: quickGeluVjp },
);
