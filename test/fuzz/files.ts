import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A file of an input: its bytes, or where a symbolic link leads. */
export type Content = Uint8Array | { readonly link: string };

/** The files of an input by their paths below the root of a workspace: `in/...` is read, `out/...` may be replaced. */
export type Files = ReadonlyMap<string, Content>;

export const isLink = (content: Content): content is { readonly link: string } => 'link' in content;

/** Writes files below a folder. */
export function placeFiles(root: string, files: Files): void {
  for (const [name, content] of files) {
    const path = join(root, name);
    const folder = dirname(path);
    if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
    if (isLink(content)) symlinkSync(content.link, path);
    else writeFileSync(path, content);
  }
}

/** Reads what `placeFiles` wrote. */
export function collectFiles(root: string): Files {
  const files = new Map<string, Content>();
  const walk = (name: string) => {
    for (const entry of readdirSync(join(root, name), { withFileTypes: true })) {
      const path = join(name, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isSymbolicLink()) files.set(path, { link: readlinkSync(join(root, path)) });
      else files.set(path, new Uint8Array(readFileSync(join(root, path))));
    }
  };
  walk('');
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}
