import type { Launch, Product } from '../model/types.js';

/** The product that a launch computes. Throws a plain Error for a launch of something else. */
export function productIn({ name, work }: Launch): Product {
  if (work.kind !== 'product') throw new Error(`${name} is not a product`);
  return work;
}

/** What stands above the kernel of a product; `how`: its tiles, in words. */
export function aboutProduct(
  { does }: Launch,
  { rows, cols, segments }: Product,
  how: string,
): readonly string[] {
  const inner = segments.map((segment) => segment.inner).join(' + ');
  return [`${does}.`, `${rows} x ${cols}, inner ${inner}; ${how}.`];
}
