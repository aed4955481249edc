import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lotrc } from './support/cli.js';
import { onnxFiles, sharedDir } from './support/shared.js';

/** Small inputs that failed once (test/data/cases/README.md). Their right answers are in the tests of what they are about. */
const CASES = resolve(import.meta.dirname, 'data/cases');

const scratch = mkdtempSync(join(tmpdir(), 'lotrc-cases-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const shared = sharedDir();
test.skipIf(!shared)('the copies here are those of the folder shared', () => {
  const folder = join(shared!, 'cases');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.\w+$/.test(name),
  );
  const differ = names.filter(
    (name) =>
      !existsSync(join(CASES, name)) ||
      !readFileSync(join(CASES, name)).equals(readFileSync(join(folder, name))),
  );
  expect(differ).toEqual([]);
});

test.each(onnxFiles(CASES).map((path) => [path.slice(CASES.length + 1), path] as const))(
  '%s is rewritten, or refused with a reason',
  async (name, path) => {
    const output = join(scratch, `${name.replaceAll('/', '-')}.out.onnx`);
    const { code, err } = await lotrc('rewrite', path, '--rank', '1', '--target', '.*', '-o', output);
    expect([0, 1], err).toContain(code);
    expect(err).not.toMatch(/LOTR9\d\d\d/);
    if (code === 1) expect(err).toMatch(/^error LOTR\d{4}: .+\n(?:.*\n)*? {2}hint: /m);
    else expect(await lotrc('strip', output, '-o', `${output}.base.onnx`)).toMatchObject({ code: 0 });
  },
);
