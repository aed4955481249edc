import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { answerOf } from '../bench/gpu/browser.js';
import { chromium } from './support/browser.js';
import { EVERYTHING } from './support/everything.js';
import { linkPackages } from './support/link-packages.js';

const ROOT = resolve(import.meta.dirname, '..');
/** what `npx` starts in the tutorials */
const PROGRAMS = { lotrc: 'dist/cli/main.js', vite: 'node_modules/vite/bin/vite.js' };
const folder = mkdtempSync(join(tmpdir(), 'lotrc-tutorials-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pages = [
  'quick-start.md',
  'experiments.md',
  ...readdirSync(join(ROOT, 'docs/tutorials')).map((name) => `tutorials/${name}`),
];
/** what a reader downloads is copied: `<!-- files FOLDER -->` */
const FILES = /<!-- files (\S+) -->/g;
const BLOCK = /```sh( no-run)?\n([\s\S]*?)```/g;

/** The commands of a page that are run, in their order. */
function commandsOf(text: string): readonly string[] {
  return [...text.matchAll(BLOCK)].filter(([, unrun]) => !unrun).map(([, , commands]) => commands!);
}

test.each(pages)('%s has commands, and those of lotrc that are not run are said to be', (page) => {
  const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
  expect(commandsOf(text).join('')).toContain('npx lotrc');
  for (const [, unrun, commands] of text.matchAll(BLOCK)) {
    if (unrun && commands!.includes('npx ')) expect(text).toMatch(/CI does not run/);
  }
});

/** Runs the commands of a page where only its files and packages are; gives the folder. */
function follow(page: string): string {
  const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
  const cwd = mkdtempSync(join(folder, 'page-'));
  for (const [, from] of text.matchAll(FILES)) cpSync(join(ROOT, from!), cwd, { recursive: true });
  linkPackages(cwd, ['vite', 'onnxruntime-web']);
  const cases = Object.entries(PROGRAMS).map(
    ([name, path]) => `${name}) shift; "${process.execPath}" "${join(ROOT, path)}" "$@";;`,
  );
  const npx = `npx() { case "$1" in ${cases.join(' ')} *) return 1;; esac; }`;
  const script = ['set -e', npx, ...commandsOf(text)].join('\n');
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd, encoding: 'utf8' });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return cwd;
}

const IN_BROWSER = 'tutorials/browser.md';

// whole trainings: in CI
describe.skipIf(!EVERYTHING || process.platform === 'win32')('each page runs', () => {
  test.each(pages.filter((page) => page !== IN_BROWSER))(
    '%s, one command after another',
    { timeout: 300_000 },
    (page) => {
      follow(page);
    },
  );

  const browser = EVERYTHING ? chromium() : null;
  test.skipIf(browser === null)(`${IN_BROWSER}, and what it says to do in its pages`, async () => {
    const cwd = follow(IN_BROWSER);
    const files = (address: string) => {
      const path = address.startsWith('/texts/')
        ? join(cwd, address.slice('/texts/'.length))
        : join(cwd, 'dist', address);
      return existsSync(path) ? readFileSync(path) : null;
    };
    const script = readFileSync(join(import.meta.dirname, 'support/tutorial-page.mjs'), 'utf8');
    const texts = ['moby-dick.train.txt', 'capitals.txt'];
    const seen = (await answerOf({ script, job: { texts }, files }, { browser: browser! })) as {
      readonly results: readonly string[];
      readonly base: string;
      readonly alone: readonly string[];
      readonly mix: string;
      readonly again: string;
      readonly adapter: readonly number[];
    };
    const text = readFileSync(join(ROOT, 'docs', IN_BROWSER), 'utf8');
    const [, before, after] = /^loss (\d\.\d\d) before, (\d\.\d\d) after: /.exec(seen.results[0]!)!;
    expect(text).toContain(`The loss falls from ${before} to ${after};`);
    const capitals = (words: string) => words.match(/[A-Z]/g)?.length ?? 0;
    expect(capitals(seen.alone[1]!)).toBeGreaterThan(60);
    expect(capitals(seen.base)).toBeLessThan(20);
    expect(seen.again).toBe(seen.base);
    expect(new Set([seen.base, ...seen.alone, seen.mix]).size).toBe(4);
    // a file that the commands take
    writeFileSync(join(cwd, 'adapter.safetensors'), Uint8Array.from(seen.adapter));
    const words = ['apply', 'charlm.onnx', 'adapter.safetensors', '-o', 'applied.onnx'];
    const { status, stderr } = spawnSync(process.execPath, [join(ROOT, PROGRAMS.lotrc), ...words], {
      cwd,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
  });
});
