import { describe, expect, test } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { PISSA } from '../../src/adapter/methods/pissa.js';
import { checkInit, needsResidual, parseInit, printInit } from '../../src/init/spec.js';
import { LotrcError } from '../../src/ir/diagnostics.js';

const codes = (spec: AdapterSpec) => checkInit(spec).map(({ code }) => code);

function refusal(text: string, spec: AdapterSpec): LotrcError {
  try {
    parseInit(text, spec);
  } catch (error) {
    if (error instanceof LotrcError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('parseInit', () => {
  test.each([
    ['default', LOTR, 'R=normal(1),M=zeros,L=normal(1)'],
    ['normal', LOTR, 'R=normal(1),M=zeros,L=normal(1)'],
    ['fan-in', LOTR, 'R=fan-in(1),M=zeros,L=fan-in(1)'],
    ['svd-factors', LOTR, 'R=svd-in,M=zeros,L=svd-out'],
    ['svd', LOTR, 'R=svd-in,M=svd-core,L=svd-out'],
    ['zeros', LOTR, 'R=zeros,M=zeros,L=zeros'],
    ['R=svd,M=zeros,L=fan-in', LOTR, 'R=svd-in,M=zeros,L=fan-in(1)'],
    ['R=svd,M=svd,L=svd', LOTR, 'R=svd-in,M=svd-core,L=svd-out'],
    [' fan-in , L = normal( 0.02 )', LOTR, 'R=fan-in(1),M=zeros,L=normal(0.02)'],
    ['R=svd,M=eye,L=zeros', LOTR, 'R=svd-in,M=eye,L=zeros'],
    ['default', LORA, 'A=fan-in(1),B=zeros'],
    ['normal', LORA, 'A=normal(1),B=zeros'],
    ['svd', LORA, 'A=svd-in,B=svd-core'],
    ['svd-factors', LORA, 'A=svd-in,B=zeros'],
    ['A=zeros,B=svd', LORA, 'A=zeros,B=svd-out'],
    ['A=zeros,B=fan-in(3)', LORA, 'A=zeros,B=fan-in(3)'],
  ])('%s of %o', (text, spec, printed) => {
    const found = parseInit(text, spec);
    expect(printInit(found)).toBe(printed);
    expect(parseInit(printed, spec)).toEqual(found);
    expect({ ...found, factors: [] }).toEqual({ ...spec, factors: [] });
  });

  test.each([
    ['', LOTR, 'LOTR3401'],
    ['svdd', LOTR, 'LOTR3401'],
    ['A=svd', LOTR, 'LOTR3401'],
    ['R=gauss', LOTR, 'LOTR3401'],
    ['R=normal(-1)', LOTR, 'LOTR3401'],
    ['R=normal()', LOTR, 'LOTR3401'],
    ['R=zeros(1)', LOTR, 'LOTR3401'],
    ['R=svd(2)', LOTR, 'LOTR3401'],
    ['L=zeros,fan-in', LOTR, 'LOTR3401'],
    ['M=normal', LOTR, 'LOTR3402'],
    ['B=fan-in', LORA, 'LOTR3402'],
    ['svd,M=eye', LOTR, 'LOTR3402'],
    ['svd,L=normal', LOTR, 'LOTR3407'],
    ['L=svd-in', LOTR, 'LOTR3407'],
    ['R=svd-out', LOTR, 'LOTR3407'],
    ['R=svd-core', LOTR, 'LOTR3407'],
    ['olora', LOTR, 'LOTR3407'],
    ['A=qr', LORA, 'LOTR3407'],
    ['A=qr-out,B=qr-in', LORA, 'LOTR3407'],
    ['pissa', LOTR, 'LOTR3407'],
  ])('refuses %j', (text, spec, code) => {
    expect(refusal(text, spec).diagnostics[0]!.code).toBe(code);
  });

  test('says what was probably meant', () => {
    expect(refusal('fanin', LOTR).diagnostics[0]!.hint).toContain('fan-in');
    expect(refusal('Q=svd', LOTR).diagnostics[0]!.hint).toContain('R, M, L');
  });
});

describe('checkInit', () => {
  test('singular vectors are as many as the rank, so that their axis has no extent of its own', () => {
    const spec = { ...parseInit('svd-factors', LOTR), extents: { s: 3 } };
    expect(checkInit(spec).map(({ message }) => message)).toEqual([
      expect.stringContaining('its axis s has an extent of its own'),
    ]);
  });

  test('warns about N(0, 1) factors with a scale of 8 and more', () => {
    expect(codes({ ...LOTR, scale: 8 })).toEqual(['LOTR3405']);
    expect(codes({ ...LOTR, scale: -16 })).toEqual(['LOTR3405']);
    expect(codes({ ...LOTR, scale: 7.9 })).toEqual([]);
    expect(codes(parseInit('fan-in', { ...LOTR, scale: 8 }))).toEqual([]);
    expect(codes(parseInit('normal', { ...LORA, scale: 16 }))).toEqual(['LOTR3405']);
  });

  test('warns when nothing can learn', () => {
    expect(codes(parseInit('zeros', LOTR))).toEqual(['LOTR3406']);
    expect(codes(parseInit('R=zeros', LOTR))).toEqual(['LOTR3406']);
  });

  test('only svd throughout needs new base weights', () => {
    expect(needsResidual(parseInit('svd', LOTR))).toBe(true);
    expect(needsResidual(parseInit('svd', LORA))).toBe(true);
    expect(needsResidual(parseInit('olora', LORA))).toBe(true);
    expect(parseInit('pissa', LORA).factors.map(({ init }) => init)).toEqual(
      PISSA.factors.map(({ init }) => init),
    );
    expect(printInit(parseInit('olora', LORA))).toBe('A=qr-in,B=qr-out');
    expect(parseInit('A=qr,B=qr-out', LORA)).toEqual(parseInit('olora', LORA));
    expect(needsResidual(parseInit('svd-factors', LOTR))).toBe(false);
    expect(needsResidual(LOTR)).toBe(false);
  });
});
