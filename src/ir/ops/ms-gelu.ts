import { unary } from './families/unary.js';
import { geluErf } from './gelu-forms.js';

/** com.microsoft Gelu: x Phi(x). */
export const msGelu = unary('com.microsoft::Gelu', geluErf);
