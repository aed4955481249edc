/** Why a file cannot be read; the message follows `it cannot be read:`. */
export class Unreadable extends Error {}
