import { op } from './define.js';
import { skipNormOp } from './families/skip-norm.js';
import { skipLayerNormVjp } from './gradients/norm.js';

/** com.microsoft SkipLayerNormalization: LayerNormalization of input + skip + bias. */
export const MsSkipLayerNormalization = op(skipNormOp('com.microsoft::SkipLayerNormalization', true), {
  vjp: skipLayerNormVjp,
});
