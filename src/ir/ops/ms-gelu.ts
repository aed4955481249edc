import { op } from './define.js';
import { unary } from './families/unary.js';
import { geluErf } from './gelu-forms.js';
import { geluVjp } from './gradients/gelu.js';

/** com.microsoft Gelu: x Phi(x). */
export const MsGelu = op(unary('com.microsoft::Gelu', geluErf), { vjp: geluVjp });
