import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RandomStream } from '../../src/init/rng.js';
import { concatBytes, fromHex, toHex, utf8Bytes } from '../../src/ir/bytes.js';
import { LotrcError } from '../../src/ir/diagnostics.js';
import { Unreadable } from '../../src/ir/files/unreadable.js';
import * as node from '../../src/platform/node.js';
import type { Platform } from '../../src/platform/platform.js';
import * as web from '../../src/platform/web.js';

const both: Readonly<Record<string, Platform>> = { node, web };

/** Bytes that are the same in every run. */
function bytesOf(length: number, seed: number): Uint8Array {
  const stream = new RandomStream(seed, 'bytes');
  return Uint8Array.from({ length }, (_, k) => Math.floor(256 * stream.uniform(k)));
}

describe('the platforms', () => {
  test('export the same names', () => {
    expect(Object.keys(web).sort()).toEqual(Object.keys(node).sort());
  });

  for (const [name, platform] of Object.entries(both)) {
    test(`${name}: SHA-256 over bytes and texts in parts, of every length about a block`, () => {
      for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 127, 128, 1000, 70_001]) {
        const bytes = bytesOf(length, length);
        const cut = Math.floor(length / 3);
        const text = `é${length}\ud800`;
        const made = platform
          .sha256()
          .update(bytes.subarray(0, cut))
          .update(text)
          .update(bytes.subarray(cut));
        const wanted = createHash('sha256').update(bytes.subarray(0, cut)).update(text);
        expect(toHex(made.digest())).toBe(wanted.update(bytes.subarray(cut)).digest('hex'));
      }
    });

    test(`${name}: gzip is unpacked in parts; other bytes, and a file that fails, are told apart`, async () => {
      const whole = bytesOf(300_001, 7);
      const packed = gzipSync(whole);
      const unpack = platform.unpacker('gzip')!;
      const given = async function* (bytes: Uint8Array, failing = false) {
        for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
        if (failing) throw new LotrcError([]);
      };
      const all = async (chunks: AsyncIterable<Uint8Array>) => {
        const parts: Uint8Array[] = [];
        for await (const chunk of chunks) parts.push(chunk);
        return concatBytes(parts);
      };
      expect(toHex(await all(unpack(given(packed))))).toBe(toHex(whole));
      await expect(all(unpack(given(whole)))).rejects.toThrow(Unreadable);
      await expect(all(unpack(given(packed.subarray(0, 90))))).rejects.toThrow(Unreadable);
      await expect(all(unpack(given(packed.subarray(0, 90), true)))).rejects.toThrow(LotrcError);
    });

    test(`${name}: bytes are compared whole, and text is read from a part`, () => {
      const a = bytesOf(1001, 1);
      const b = concatBytes([Uint8Array.of(7), a]).subarray(1);
      expect(platform.sameBytes(a, b)).toBe(true);
      expect(platform.sameBytes(a, b.subarray(1))).toBe(false);
      expect(platform.sameBytes(a, a.with(1000, a[1000]! ^ 1))).toBe(false);
      expect(platform.asciiText(utf8Bytes('a name.weight!').subarray(1), 1, 12)).toBe('name.weight');
    });
  }

  test('web: paths are those of POSIX', () => {
    const paths = ['a', 'a/b.onnx', '/a/b/c', './a', 'a/../b', '../a', 'a/./b//c', '/x', 'a/b/../../../c'];
    for (const path of paths) {
      expect(web.dirname(path), path).toBe(posix.dirname(path));
      expect(web.basename(path), path).toBe(posix.basename(path));
      for (const other of ['', '.', 'x', 'x/../..', 'a/b']) {
        expect(web.join(other, path), `${other} + ${path}`).toBe(posix.join(other, path));
      }
      for (const folder of ['.', 'a', 'a/b', 'x/y']) {
        if (path.startsWith('/') || path.startsWith('..') || path === 'a/b/../../../c') continue;
        const wanted = posix.relative(posix.resolve('/r', folder), posix.resolve('/r', path));
        expect(web.locationFrom(folder, path), `${folder} to ${path}`).toBe(wanted);
      }
    }
    expect(web.locationFrom('/a/b', '/a/c/d')).toBe('../c/d');
    expect(web.locationFrom('.', '../a')).toBe('../a');
    expect(web.locationFrom('.', 'a/..')).toBe('');
  });

  test('web: there is no folder of a path', () => {
    const folder = web.folderOf('m.onnx');
    expect(() => folder.resolve('w', 'w.bin')).toThrow(LotrcError);
    expect(() => folder.open('w', 'w.bin', 1)).toThrow('LOTR1101');
  });
});

test('hex digits are those of bytes', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, k) => k);
  expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
  expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
  expect(fromHex('abc')).toBeNull();
  expect(fromHex('')).toEqual(new Uint8Array(0));
});
