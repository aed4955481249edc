import { posix } from 'node:path';

const LINK = /(\]\()([^)\s]+)(\))/g;

/**
 * A page of `docs/` whose links work on the site: those to other pages of it stay, those to other files of the repository lead to
 * `repository`, where `at` is the page's path in the repository.
 */
export function linkedPage(text: string, at: string, repository: string): string {
  return text.replace(LINK, (whole, open: string, target: string, close: string) => {
    if (/^([a-z]+:|#)/.test(target)) return whole;
    const [path = '', anchor] = target.split('#');
    const file = posix.normalize(posix.join(posix.dirname(at), path));
    const isPage = file.startsWith('docs/') && file.endsWith('.md');
    if (isPage && file !== 'docs/README.md') return whole;
    return `${open}${repository}/blob/main/${file}${anchor ? `#${anchor}` : ''}${close}`;
  });
}
