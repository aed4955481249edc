import type { Model } from '../../src/ir/model.js';
import { verify } from '../../src/ir/verify.js';

/** Whether the verifier finds no errors in a model. */
export function isValid(model: Model): boolean {
  return !verify(model).some(({ severity }) => severity === 'error');
}
