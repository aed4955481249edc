import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { EVERYTHING } from '../support/everything.js';

/** What docs/build.md says for Make, Ninja and CMake, and the script of action.yml, in a project of a user. */

const ROOT = resolve(import.meta.dirname, '../..');
const CASES = join(ROOT, 'test/data/cases/train');
const page = readFileSync(join(ROOT, 'docs/build.md'), 'utf8');
const recipe = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;
const has = (program: string) =>
  process.env.PATH!.split(delimiter).some((folder) => existsSync(join(folder, program)));
const folder = mkdtempSync(join(tmpdir(), 'lotrc-recipes-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A project with a model, a config, and a lotrc that notes each call. */
function project(name: string) {
  const root = join(folder, name);
  const at = (path: string) => join(root, path);
  mkdirSync(at('node_modules/.bin'), { recursive: true });
  writeFileSync(at('package.json'), '{ "private": true }');
  copyFileSync(join(CASES, 'gpt2c.onnx'), at('net.onnx'));
  const model = { input: 'net.onnx', rewrite: { rank: 2 } };
  writeFileSync(at('lotrc.config.json'), JSON.stringify({ models: { reviews: model } }));
  const script = `#!/bin/sh\necho "$1" >> ${at('calls')}\nexec ${process.execPath} ${join(ROOT, 'dist/cli/main.js')} "$@"\n`;
  writeFileSync(at('node_modules/.bin/lotrc'), script);
  chmodSync(at('node_modules/.bin/lotrc'), 0o755);
  const run = (line: string, env: Readonly<Record<string, string>> = {}) => {
    const options = { cwd: root, encoding: 'utf8' as const, env: { ...process.env, ...env } };
    const { status, stdout, stderr } = spawnSync('bash', ['-eo', 'pipefail', '-c', line], options);
    const calls = existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').trim().split('\n') : [];
    rmSync(at('calls'), { force: true });
    return { status, said: `${stdout}${stderr}`, calls };
  };
  return { at, run };
}

describe.runIf(EVERYTHING)('a recipe builds once, and again when the model changes', () => {
  test.each([
    ['make', 'Makefile', 'make', 'make'],
    ['ninja', 'build.ninja', 'ninja', 'ninja'],
    ['cmake', 'CMakeLists.txt', 'cmake', 'cmake -S . -B out > /dev/null && cmake --build out'],
  ])('%s', (language, file, program, line) => {
    expect(has(program), `${program} is not installed`).toBe(true);
    const { at, run } = project(language);
    // Ninja wants to know every output
    if (language === 'ninja') {
      const config = readFileSync(at('lotrc.config.json'), 'utf8');
      writeFileSync(at('lotrc.config.json'), config.replace('"rewrite"', '"outputs":["onnx"],"rewrite"'));
    }
    writeFileSync(at(file), recipe(language));
    const first = run(line);
    expect(first, first.said).toMatchObject({ status: 0, calls: ['build'] });
    const before = readFileSync(at('dist/reviews.onnx'));
    expect(run(line)).toMatchObject({ status: 0, calls: [] });
    const model = readFileSync(at('net.onnx'));
    model[model.length >> 1]! ^= 1;
    writeFileSync(at('net.onnx'), model);
    expect(run(line)).toMatchObject({ status: 0, calls: ['build'] });
    expect(readFileSync(at('dist/reviews.onnx')).equals(before)).toBe(false);
    expect(run(line)).toMatchObject({ status: 0, calls: [] });
  });
});

test.runIf(EVERYTHING)('the script of the action builds, and fails where a golden file does not fit', () => {
  const { at, run } = project('action');
  const action = readFileSync(join(ROOT, 'action.yml'), 'utf8');
  const script = /run: \|\n((?: {8}.*\n)+)/.exec(action)![1]!.replace(/^ {8}/gm, '');
  const given = (check: string, config = '') => ({ LOTRC_CHECK: check, LOTRC_CONFIG: config });
  expect(run(script, given('false'))).toMatchObject({ status: 0, calls: ['build'] });
  expect(run('npx --no-install lotrc check --update').status).toBe(0);
  const passed = run(script, given('true', 'lotrc.config.json'));
  expect(passed, passed.said).toMatchObject({ status: 0, calls: ['build', 'check'] });
  appendFileSync(at('golden/reviews.onnx.txt'), 'more\n');
  const failed = run(script, given('true'));
  expect(failed.status).toBe(1);
  expect(failed.said).toContain('error LOTR8305');
  expect(run(script, given('yes'))).toMatchObject({ status: 2, calls: ['build'] });
});
