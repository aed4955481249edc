import { skipNormOp } from './families/skip-norm.js';

/** com.microsoft SkipSimplifiedLayerNormalization: RMSNormalization of input + skip + bias. */
export const msSkipSimplifiedLayerNormalization = skipNormOp(
  'com.microsoft::SkipSimplifiedLayerNormalization',
  false,
);
