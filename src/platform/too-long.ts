/** The work took longer than it may. */
export class TooLong extends Error {}
