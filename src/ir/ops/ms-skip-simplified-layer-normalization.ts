import { op } from './define.js';
import { skipNormOp } from './families/skip-norm.js';
import { skipRmsNormVjp } from './gradients/norm.js';

/** com.microsoft SkipSimplifiedLayerNormalization: RMSNormalization of input + skip + bias. */
export const MsSkipSimplifiedLayerNormalization = op(
  skipNormOp('com.microsoft::SkipSimplifiedLayerNormalization', false),
  { vjp: skipRmsNormVjp },
);
