import { api } from './api.js';
import type { ModuleFacts } from './facts.js';
import { kernels } from './kernels.js';
import { needs } from './needs.js';
import { runtime } from './runtime.js';
import { moduleText } from './source.js';
import { tables } from './tables.js';

/** index.ts of a plan: first the interface, last the kernels. */
export function adaptersModule(facts: ModuleFacts): string {
  const purpose = facts.training ? 'for training' : 'for serving';
  return moduleText([
    `/** Adapted layers on WebGPU, ${purpose}. Written by lotrc from a plan for ${facts.device}: see plan.txt. */`,
    ...tables(facts),
    ...api(facts),
    ...needs(facts),
    runtime(facts),
    ...kernels(facts),
  ]);
}
