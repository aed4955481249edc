import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { EVERYTHING } from './support/everything.js';

const ROOT = resolve(import.meta.dirname, '..');
const MAIN = join(ROOT, 'dist/cli/main.js');
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
    if (unrun && commands!.includes('npx lotrc')) expect(text).toMatch(/CI does not run/);
  }
});

// whole trainings: in CI
describe.skipIf(!EVERYTHING || process.platform === 'win32')(
  'each page runs, one command after another',
  () => {
    test.each(pages)('%s', { timeout: 300_000 }, (page) => {
      const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
      const cwd = mkdtempSync(join(folder, 'page-'));
      for (const [, from] of text.matchAll(FILES)) cpSync(join(ROOT, from!), cwd, { recursive: true });
      const npx = `npx() { [ "$1" = lotrc ]; shift; "${process.execPath}" "${MAIN}" "$@"; }`;
      const script = ['set -e', npx, ...commandsOf(text)].join('\n');
      const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd, encoding: 'utf8' });
      expect(status, `${stdout}\n${stderr}`).toBe(0);
    });
  },
);
