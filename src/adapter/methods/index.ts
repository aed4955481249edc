import type { AdapterSpec } from '../description.js';
import { LORA } from './lora.js';
import { LOTR } from './lotr.js';

/** The methods that `--method` knows by name. */
export const METHODS: ReadonlyMap<string, AdapterSpec> = new Map(
  [LOTR, LORA].map((spec) => [spec.method, spec]),
);
