import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '../../../src/backends/codes/index.js';
import '../../../src/ir/codes/index.js';
import { allCodes, type CodeInfo } from '../../../src/ir/diagnostics.js';
import { linkedPage } from './links.js';
import { SITE_SECTIONS } from './pages.js';

/** `npm run site`: writes `site/pages`, what VitePress makes the site of. */

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const out = join(root, 'site/pages');
const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly repository: { readonly url: string };
};
const address = repository.url.replace(/^git\+|\.git$/g, '');

rmSync(out, { recursive: true, force: true });
const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .sort();
const named = new Set(
  Object.values(SITE_SECTIONS).flatMap((section) => section.map(([file]) => `${file}.md`)),
);
const homeless = pages.filter((page) => !named.has(page));
if (homeless.length > 0) throw new Error(`pages.ts does not say where these stand: ${homeless.join(', ')}`);
for (const page of pages) {
  const at = `docs/${page}`;
  putPage(page.replace(/\.md$/, ''), linkedPage(readFileSync(join(root, at), 'utf8'), at, address));
}
putPage('index', readFileSync(join(root, 'site/home.md'), 'utf8'));
cpSync(join(root, 'docs/images'), join(out, 'images'), { recursive: true });
cpSync(join(root, 'site/demo-report.html'), join(out, 'public/demo-report.html'));

const codes = allCodes();
for (const code of codes) putPage(`diagnostics/${code.code}`, codePage(code));
putPage('diagnostics/index', codeList(codes));
put('pages.json', JSON.stringify({ repository: address, ...sidebar() }, null, 2));
put('public/llms.txt', llms());
console.log(`${pages.length} pages of docs, ${codes.length} diagnostics: ${out}`);

function putPage(name: string, text: string): void {
  put(`${name}.md`, text);
}

function put(name: string, text: string): void {
  const path = join(out, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** `lotrc explain CODE` as a page; what Markdown or Vue would read as their own is escaped. */
function codePage({ code, severity, title, explain }: CodeInfo): string {
  return `---\nprev: false\nnext: false\n---\n\n# ${code}\n\n**${severity}: ${plain(title)}**\n\n${plain(explain)}\n\n\`lotrc explain ${code}\` prints this page.\n`;
}

function codeList(all: readonly CodeInfo[]): string {
  const rows = all.map(
    ({ code, severity, title }) => `| [${code}](${code}.md) | ${severity} | ${plain(title)} |`,
  );
  return [
    '# Diagnostics',
    '',
    '| code | severity | what it means |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function plain(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, i) =>
      i % 2 === 1 ? part : part.replace(/[<>{}|*_[\]\\]/g, (sign) => `&#${sign.charCodeAt(0)};`),
    )
    .join('');
}

function sidebar(): Readonly<Record<string, readonly { readonly text: string; readonly link: string }[]>> {
  const sections = Object.entries(SITE_SECTIONS).map(([name, section]) => [
    name,
    section.map(([file, text]) => ({ text, link: `/${file}` })),
  ]);
  const all = Object.fromEntries(sections) as Record<string, { text: string; link: string }[]>;
  all.reference!.push({ text: 'Diagnostics', link: '/diagnostics/' }, { text: 'Library', link: '/api/' });
  return all;
}

/** https://llmstxt.org: what the project is, and its pages. */
function llms(): string {
  const lines = [
    '# lotrc',
    '',
    '> The adapter compiler for ONNX: gives the linear layers of any ONNX model LoTR or LoRA adapters, as a build step.',
    '',
  ];
  for (const [section, items] of Object.entries(sidebar())) {
    lines.push(
      `## ${section}`,
      '',
      ...items.map(({ text, link }) => `- [${text}](${link.replace(/\/$/, '/index')}.html)`),
      '',
    );
  }
  return lines.join('\n');
}
