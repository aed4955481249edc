import { skipNormOp } from './families/skip-norm.js';
import { withGradient } from './gradients/attach.js';
import { skipLayerNormVjp } from './gradients/norm.js';

/** com.microsoft SkipLayerNormalization: LayerNormalization of input + skip + bias. */
export const msSkipLayerNormalization = withGradient(
  skipNormOp('com.microsoft::SkipLayerNormalization', true),
  skipLayerNormVjp,
);
