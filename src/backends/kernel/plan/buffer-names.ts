import type { Group } from '../model/layers.js';

/** Names that buffers, and lengths that kernels take, have already. */
const TAKEN = ['P', 'T', 'V', 'W', 'Z', 'b', 'x', 'y'];

/**
 * What buffers of a factor are called: its name where it is one letter that means nothing else. M is the number of tokens in
 * kernels that read a factor together with them.
 */
export function bufferName({ factors, form }: Pick<Group, 'factors' | 'form'>, k: number): string {
  const { name } = factors[k]!;
  const withTokens = [form.down.bare, form.up.bare, form.core?.[1]].includes(k);
  const free = /^[A-Za-z]$/.test(name) && !TAKEN.includes(name) && !(name === 'M' && withTokens);
  return free ? name : `F${k + 1}`;
}
