import { unary } from './families/unary.js';
import { geluErf } from './gelu-forms.js';
import { withGradient } from './gradients/attach.js';
import { geluVjp } from './gradients/gelu.js';

/** com.microsoft Gelu: x Phi(x). */
export const msGelu = withGradient(unary('com.microsoft::Gelu', geluErf), geluVjp);
