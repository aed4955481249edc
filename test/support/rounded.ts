/**
 * A number as a table prints it that was rounded once, or twice: first to one digit more (8.3496 to 8.35 to 8.4). The
 * tables that the cost model is compared with were rounded in both ways.
 */
export function rounded(value: number, like: string): readonly string[] {
  const digits = like.split('.')[1]?.length ?? 0;
  const up = (x: number, d: number) => Math.floor(x * 10 ** d + 0.5 + 1e-9) / 10 ** d;
  return [value.toFixed(digits), up(up(value, digits + 1), digits).toFixed(digits)];
}
