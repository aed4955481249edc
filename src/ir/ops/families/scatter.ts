/** The `reduction` of the scatter ops: how an update meets the element that is there. */
export function combine(reduction: string | undefined, old: number, update: number): number {
  switch (reduction) {
    case 'add':
      return old + update;
    case 'mul':
      return old * update;
    case 'max':
      return Math.max(old, update);
    case 'min':
      return Math.min(old, update);
    default:
      return update;
  }
}
