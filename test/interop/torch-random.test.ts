import { expect, test } from 'vitest';
import { leadingPermutation, MOST_PERMUTED } from '../../src/interop/torch-random.js';

// recorded from PyTorch 2.13: torch.randperm(length, generator=torch.Generator().manual_seed(seed))
test.each<[number, number, readonly number[]]>([
  [777, 768 * 768, [391271, 183699, 413551, 384200, 435559, 59955]],
  [0, 4096 * 11008, [12520108, 21277288, 5678847, 18992563, 18789419]],
  [5, 7, [1, 0, 4, 2, 6, 5, 3]],
  [2 ** 32 + 3, 1000, [986, 114, 871, 894]],
])('the permutation of seed %d and length %d begins as in PyTorch', (seed, length, wanted) => {
  expect(leadingPermutation(seed, length, wanted.length)).toEqual(wanted);
});

test('and goes on so when the generator has made its first 624 numbers', () => {
  const all = leadingPermutation(777, 2000, 2000);
  expect(all.reduce((sum, element, place) => sum + element * place, 0)).toBe(2011989634);
  expect(() => leadingPermutation(0, MOST_PERMUTED + 1, 1)).toThrow('no permutation');
});
