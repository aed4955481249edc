import { skipNormOp } from './families/skip-norm.js';
import { withGradient } from './gradients/attach.js';
import { skipRmsNormVjp } from './gradients/norm.js';

/** com.microsoft SkipSimplifiedLayerNormalization: RMSNormalization of input + skip + bias. */
export const msSkipSimplifiedLayerNormalization = withGradient(
  skipNormOp('com.microsoft::SkipSimplifiedLayerNormalization', false),
  skipRmsNormVjp,
);
