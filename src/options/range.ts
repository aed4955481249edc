/** Bounds of a number; `above` and `below` are not in the range themselves. */
export interface NumberRange {
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly below?: number;
}

/** Whether a number is in the range. Graphs compute in float32, so it must be finite there. */
export function inRange(
  value: number,
  { least = -Infinity, above = -Infinity, most = Infinity, below = Infinity }: NumberRange,
): boolean {
  return (
    Number.isFinite(Math.fround(value)) && value >= least && value > above && value <= most && value < below
  );
}

/** ` of at least 0 and below 1`: to be said of "a number". */
export function rangeText({ least, above, most, below }: NumberRange): string {
  const low = least !== undefined ? ` of at least ${least}` : above !== undefined ? ` above ${above}` : '';
  const high = most !== undefined ? ` at most ${most}` : below !== undefined ? ` below ${below}` : '';
  return `${low}${low !== '' && high !== '' ? ' and' : ''}${high}`;
}
