import type { AdapterSpec } from '../description.js';
import { LORA } from './lora.js';
import { LORA_FA } from './lora-fa.js';
import { LORA_XS } from './lora-xs.js';
import { LOTR } from './lotr.js';
import { MOSLORA } from './moslora.js';
import { SHARELORA_A } from './sharelora-a.js';
import { SHARELORA_AB } from './sharelora-ab.js';
import { SHARELORA_B } from './sharelora-b.js';
import { VERA } from './vera.js';

/** The methods that `--method` knows by name. */
export const METHODS: ReadonlyMap<string, AdapterSpec> = new Map(
  [LOTR, LORA, LORA_FA, LORA_XS, MOSLORA, SHARELORA_A, SHARELORA_B, SHARELORA_AB, VERA].map((spec) => [
    spec.method,
    spec,
  ]),
);
