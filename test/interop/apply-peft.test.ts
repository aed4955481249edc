import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lotrc } from '../support/cli.js';
import { baseOf, errorAgainst, PEFT } from '../support/peft.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-peft-apply-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  'bert.plain',
  'bert.saved',
  'bert.patterns',
  'roberta.bias',
  'gpt2.rslora',
  'llama.all',
  'llama.layers',
  'qwen2.biases',
  't5.plain',
  'vit.saved',
  'whisper.plain',
  'bert.dora',
  'gpt2.dora',
  'bert.vera',
  'bert.loha',
  'bert.lokr',
  'bert.ia3',
  'llama.randlora',
  'mixtral.experts',
  'mixtral.lotr',
  'bert.fourierft',
  'gpt2.fourierft',
])('lotrc apply %s gives the logits of PyTorch with PEFT', async (name) => {
  const output = join(folder, `${name}.onnx`);
  const { code, err } = await lotrc('apply', baseOf(name), join(PEFT, name), '-o', output);
  expect(code, err).toBe(0);
  expect(await errorAgainst(name, output)).toBeLessThan(1e-5);
  expect(await errorAgainst(name, baseOf(name)), 'the base alone differs').toBeGreaterThan(1e-2);
});
