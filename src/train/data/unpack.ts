import { extname } from '#platform';

/** A way of compressing that names of files tell. */
export type Packing = 'gzip' | 'zstd';

const PACKINGS: ReadonlyMap<string, Packing> = new Map([
  ['.gz', 'gzip'],
  ['.zst', 'zstd'],
]);

/** How a file is compressed; null: it is not. */
export const packingOf = (file: string): Packing | null => PACKINGS.get(extname(file).toLowerCase()) ?? null;

/** What the contents of a file are by its name: `.jsonl` of `rows.jsonl.gz`. In small letters. */
export function extensionOf(file: string): string {
  const name = packingOf(file) ? file.slice(0, -extname(file).length) : file;
  return extname(name).toLowerCase();
}
