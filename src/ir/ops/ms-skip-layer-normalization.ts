import { skipNormOp } from './families/skip-norm.js';

/** com.microsoft SkipLayerNormalization: LayerNormalization of input + skip + bias. */
export const msSkipLayerNormalization = skipNormOp('com.microsoft::SkipLayerNormalization', true);
