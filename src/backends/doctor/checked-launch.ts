import type { Launch } from '../kernel/model/types.js';

/** A launch that is checked: its kernel is run by itself, and nothing is predicted. `what`: of what it is one, in words. */
export const checkedLaunch = (
  { family, schedule, work }: Pick<Launch, 'family' | 'schedule' | 'work'>,
  what: string = family,
): Launch => ({
  name: 'kernel',
  ...{ family, schedule, work },
  predicted: { flops: 0, bytes: 0, seconds: 0 },
  does: `${what}, to be checked`,
});
