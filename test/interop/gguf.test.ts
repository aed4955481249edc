import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import { afterAll, describe, expect, test } from 'vitest';
import { GGUF_ARCHITECTURES, ggufModule, ggufTensor } from '../../src/interop/gguf-names.js';
import { readGgufAdapter } from '../../src/interop/gguf-read.js';
import { readGguf } from '../../src/ir/files/gguf.js';
import { readSafetensors } from '../../src/ir/files/safetensors.js';
import { GGUF_ARCHS, type GgufArch } from '../../src/options/words.js';
import { lotrc } from '../support/cli.js';
import { codeOf } from '../support/code-of.js';
import { baseOf, errorAgainst, PEFT } from '../support/peft.js';

const folder = mkdtempSync(join(tmpdir(), 'lotrc-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function done(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await lotrc(...argv);
  expect(code, err).toBe(0);
  return out;
}

const LLAMA = ['--arch', 'llama', '--head-size', '4'];
/** Written by the package of llama.cpp, with rows of q and k as its conversion permutes them. */
const REFERENCE = join(PEFT, 'llama.all.gguf');
const weightsOf = (path: string) =>
  new Map(
    [...readSafetensors(join(path, 'adapter_model.safetensors')).tensors].map(([name, data]) => [
      name,
      Buffer.from(data.bytes()).toString('base64'),
    ]),
  );

test('layers have the names that the package of llama.cpp gives them', () => {
  const names = JSON.parse(readFileSync(join(PEFT, 'gguf-names.json'), 'utf8')) as Record<
    GgufArch,
    Record<string, string>
  >;
  expect(Object.keys(names).sort()).toEqual([...GGUF_ARCHS].sort());
  for (const arch of GGUF_ARCHS) {
    const known = GGUF_ARCHITECTURES[arch];
    for (const [module, tensor] of Object.entries(names[arch])) {
      expect(ggufTensor(known, module)?.name, `${arch} ${module}`).toBe(tensor);
      expect(module.endsWith(`.${ggufModule(known, tensor)!.module}`), tensor).toBe(true);
    }
    for (const other of ['model.embed_tokens', 'layers.0.mlp.experts.3.up_proj', 'classifier', 'xlm_head'])
      expect(ggufTensor(known, other)).toBe(null);
  }
});

describe('an adapter of a llama', () => {
  test('has the tensors and rows of the reference, and other programs read it', async () => {
    await done('convert', join(PEFT, 'llama.all'), at('a.gguf'), ...LLAMA);
    const [own, wanted] = [at('a.gguf'), REFERENCE].map((path) => readGguf(path).tensors);
    expect([...own!.keys()].sort()).toEqual([...wanted!.keys()].sort());
    for (const [name, data] of wanted!) {
      expect(own!.get(name)!.shape, name).toEqual(data.shape);
      expect(Buffer.from(own!.get(name)!.bytes()).equals(data.bytes()), name).toBe(true);
    }
    const { metadata, tensorInfos } = await gguf(at('a.gguf'), { allowLocalFile: true });
    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'llama',
      'general.type': 'adapter',
      'adapter.type': 'lora',
      'adapter.lora.alpha': 4,
      'llama.attention.key_length': 4,
    });
    // innermost first: (in, rank) and (rank, out)
    const shapes = new Map(
      tensorInfos.map(({ name, shape, dtype }) => [name, [...shape, dtype].map(Number)]),
    );
    expect(shapes.get('blk.1.attn_q.weight.lora_a')).toEqual([16, 3, 0]);
    expect(shapes.get('blk.1.ffn_up.weight.lora_b')).toEqual([3, 24, 0]);
    expect(tensorInfos.every(({ offset }) => Number(offset) % 32 === 0)).toBe(true);
  });

  test('of the reference computes what PyTorch computes, and comes back bit for bit', async () => {
    await done('apply', baseOf('llama'), REFERENCE, '--head-size', '4', '-o', at('ref.onnx'));
    expect(await errorAgainst('llama.all', at('ref.onnx'))).toBeLessThan(1e-5);
    await done('extract', at('ref.onnx'), ...LLAMA, '-o', at('back.gguf'));
    // files of lotrc say the size of a head
    await done('convert', at('back.gguf'), at('back'), '--model', baseOf('llama'));
    expect(weightsOf(at('back'))).toEqual(weightsOf(join(PEFT, 'llama.all')));
  });

  test('without the size of a head, or with one that does not fit, is refused', async () => {
    const write = ['convert', join(PEFT, 'llama.all'), at('n.gguf')];
    expect((await lotrc(...write)).err).toContain('LOTR7703');
    expect((await lotrc(...write, '--arch', 'llama')).err).toContain('LOTR7703');
    expect((await lotrc(...write, '--arch', 'llama', '--head-size', '5')).err).toContain('LOTR7703');
    expect((await lotrc('apply', baseOf('llama'), REFERENCE, '-o', at('n.onnx'))).err).toContain('LOTR7703');
    expect((await lotrc('convert', join(PEFT, 'llama.all'), at('n'), '--arch', 'llama')).err).toContain(
      'add --to gguf',
    );
  });
});

describe('other architectures', () => {
  test.each([
    ['bert.patterns', 'bert'],
    ['gpt2.rslora', 'gpt2'],
  ])('%s there and back', async (name, arch) => {
    await done('convert', join(PEFT, name), at(`${name}.gguf`), '--arch', arch);
    await done('apply', baseOf(name), at(`${name}.gguf`), '-o', at(`${name}.onnx`));
    expect(await errorAgainst(name, at(`${name}.onnx`))).toBeLessThan(1e-5);
  });

  test.each([
    ['qwen2.biases', 'qwen2', 'q_proj.bias'],
    ['bert.saved', 'bert', 'classifier.'],
    ['t5.plain', 'llama', 'layer.0'],
    ['vit.saved', 'bert', 'classifier.'],
  ])('what llama.cpp cannot take is refused by name: %s as %s', async (name, arch, what) => {
    const from = ['convert', join(PEFT, name), at('no.gguf'), '--model', baseOf(name), '--arch', arch];
    const { err } = await lotrc(...from);
    expect(err).toContain('LOTR7702');
    expect(err).toContain(what);
  });
});

describe('files of another kind', () => {
  const good = readFileSync(REFERENCE);
  const changed = (from: string, to: string) => {
    const at = good.indexOf(from);
    return Buffer.concat([good.subarray(0, at), Buffer.from(to), good.subarray(at + from.length)]);
  };
  test.each<[string, Buffer, string]>([
    ['an empty file', Buffer.alloc(0), 'LOTR7701'],
    ['another format', Buffer.alloc(100, 'x'), 'LOTR7701'],
    ['another version', Buffer.concat([good.subarray(0, 4), Buffer.from([9]), good.subarray(5)]), 'LOTR7701'],
    ['a model', changed('adapter', 'mmmodel'), 'LOTR7701'],
    ['another kind of adapter', changed('\x04\0\0\0\0\0\0\0lora', '\x04\0\0\0\0\0\0\0cvec'), 'LOTR7701'],
    ['another architecture', changed('llama', 'mamba'), 'LOTR7701'],
    ['a tensor of another name', changed('blk.0.attn_q.weight', 'blk.0.attn_z.weight'), 'LOTR7702'],
    [
      'a tensor that is not lora_a or lora_b',
      changed('attn_q.weight.lora_a', 'attn_q.weight.lora_z'),
      'LOTR7701',
    ],
    ['a tensor twice', changed('blk.1.attn_q.weight.lora_a', 'blk.0.attn_q.weight.lora_a'), 'LOTR7701'],
    ['no alpha', changed('adapter.lora.alpha', 'adapter.lora.omega'), 'LOTR7701'],
    ['half a file', good.subarray(0, good.length - 40), 'LOTR7701'],
    ['half a header', good.subarray(0, 300), 'LOTR7701'],
  ])('%s', (_, bytes, wanted) => {
    writeFileSync(at('bad.gguf'), bytes);
    expect(codeOf(() => readGgufAdapter(at('bad.gguf'), 4))).toBe(wanted);
  });
});
