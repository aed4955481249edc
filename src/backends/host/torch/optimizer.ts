import type { Elementwise, ElementwiseDef } from '../../../train/optimizers/define.js';
import { snake } from '../../kernel/gen/step.js';
import { comparisons, hasNoUpperBound, optimizerText, stepNumbers, stepText } from '../shared/optimizer.js';

/** What makes the optimizer in Python: a class of PyTorch, or the one that the module has. */
export const optimizerClass = ({ title, torch }: ElementwiseDef): string =>
  torch === undefined ? title : `torch.optim.${torch}`;

/**
 * The optimizer as a class of Python: its numbers with their defaults and ranges, and its update in operations of PyTorch. Numbers
 * are kept by group, under the names that they have in C; the state of a parameter under the names of the declaration.
 */
export function classText(optimizer: ElementwiseDef): readonly string[] {
  const { title, hyper, slots } = optimizer;
  const own = Object.entries(hyper).map(([name, number]) => ({ ...number, name: snake(name) }));
  const conditions = stepNumbers(optimizer).flatMap((number) => {
    const value = `numbers["${number.name === 'learningRate' ? 'lr' : snake(number.name)}"]`;
    const bounds = [...comparisons(number), ...(hasNoUpperBound(number) ? ['< float("inf")'] : [])];
    return bounds.map((bound) => `${value} ${bound}`);
  });
  const defaults = own.map(({ name }) => `"${name}": ${name}`);
  return [
    '',
    '',
    `class ${title}(torch.optim.Optimizer):`,
    `    """${optimizerText(optimizer)}. Takes host.parameter_groups(lr); a group may have numbers of its own."""`,
    '',
    `    def __init__(${['self', 'groups', ...own.map(({ name, default: value }) => `${name}=${value}`)].join(', ')}):`,
    `        super().__init__(groups, {${defaults.join(', ')}})`,
    '',
    '    def add_param_group(self, group):',
    '        numbers = {**self.defaults, **group}',
    '        if "lr" not in numbers:',
    '            raise ValueError("a group has no lr")',
    '        valid = (',
    ...conditions.map((condition, index) => `            ${index === 0 ? '' : 'and '}${condition}`),
    '        )',
    '        if not valid:',
    `            raise ValueError("not the numbers of ${stepText(optimizer)}")`,
    '        super().add_param_group(group)',
    '',
    '    @torch.no_grad()',
    '    def step(self, closure=None):',
    '        """One step on every parameter that has a gradient. `closure` makes the gradients again and returns the loss, as does step."""',
    '        loss = None',
    '        if closure is not None:',
    '            with torch.enable_grad():',
    '                loss = closure()',
    '        for group in self.param_groups:',
    '            for param in group["params"]:',
    '                if param.grad is not None:',
    '                    self._update(param, param.grad, group, self.state[param])',
    '        return loss',
    '',
    '    @staticmethod',
    '    def _update(param, grad, group, state):',
    ...(slots.length === 0
      ? []
      : [
          '        if not state:',
          ...stateText(optimizer).map(([name, start]) => `            state["${name}"] = ${start}`),
        ]),
    ...updateText(optimizer).map((line) => `        ${line}`),
  ];
}

/** What is kept for a parameter, and what it is before the first step. */
const stateText = ({ slots, corrections }: ElementwiseDef): readonly (readonly [string, string])[] => [
  ...(Object.keys(corrections).length === 0 ? [] : [['steps', '0'] as const]),
  ...slots.map((slot) => [slot, 'torch.zeros_like(param)'] as const),
];

/** A value in Python. */
interface Term {
  readonly text: string;
  /** what it is made by last, which says where it needs brackets */
  readonly rank: 'atom' | 'product' | 'sum';
}
type Operand = Term | number;

const atom = (text: string): Term => ({ text, rank: 'atom' });

/** The lines of an update: names for values that are computed once, then what they make of the state and the parameter. */
function updateText(optimizer: ElementwiseDef): readonly string[] {
  const { hyper, slots, corrections } = optimizer;
  const of: Readonly<Record<string, string>> = corrections;
  const corrected = Object.keys(corrections);
  const numbers = ['lr', ...Object.keys(hyper).map(snake)];
  const lines = [
    ...numbers.map((name) => `${name} = group["${name}"]`),
    ...(corrected.length === 0 ? [] : ['state["steps"] += 1']),
  ];
  const next = new Map(slots.map((slot) => [slot, `next_${slot}`]));
  const taken = new Set([
    'torch',
    'param',
    'grad',
    'group',
    'state',
    'next_param',
    ...numbers,
    ...next.values(),
  ]);
  const named = (name: string, { text }: Term): Term => {
    let free = name;
    for (let n = 2; taken.has(free); n++) free = `${name}${n}`;
    taken.add(free);
    lines.push(`${free} = ${text}`);
    return atom(free);
  };
  const after = optimizer.update<Operand>(arithmetic(named), {
    param: atom('param'),
    grad: atom('grad'),
    lr: atom('lr'),
    hyper: Object.fromEntries(Object.keys(hyper).map((name) => [name, atom(snake(name))])),
    slots: Object.fromEntries(slots.map((slot) => [slot, atom(`state["${slot}"]`)])),
    corrections: Object.fromEntries(
      corrected.map((name) => [name, atom(`(1 - ${snake(of[name]!)} ** state["steps"])`)]),
    ),
  });
  // all is computed from the old numbers before any of them is replaced
  const text = (value: Operand) => (typeof value === 'number' ? String(value) : value.text);
  return [
    ...lines,
    ...[...next].map(([slot, name]) => `${name} = ${text(after.slots[slot]!)}`),
    `next_param = ${text(after.param)}`,
    ...[...next].map(([slot, name]) => `state["${slot}"].copy_(${name})`),
    'param.copy_(next_param)',
  ];
}

/** Updates as text. Numbers are folded in double, as Python would compute them. */
function arithmetic(named: (name: string, value: Term) => Term): Elementwise<Operand> {
  const term = (x: Operand): Term => (typeof x === 'number' ? atom(x < 0 ? `(${x})` : String(x)) : x);
  const within = (x: Operand, ranks: readonly Term['rank'][]): string => {
    const { text, rank } = term(x);
    return ranks.includes(rank) ? text : `(${text})`;
  };
  const binary =
    (
      sign: string,
      rank: 'product' | 'sum',
      right: readonly Term['rank'][],
      fold: (a: number, b: number) => number,
    ) =>
    (a: Operand, b: Operand): Operand => {
      if (typeof a === 'number' && typeof b === 'number') return fold(a, b);
      const left = rank === 'sum' ? (['atom', 'product', 'sum'] as const) : (['atom', 'product'] as const);
      return { text: `${within(a, left)} ${sign} ${within(b, right)}`, rank };
    };
  return {
    number: (x) => x,
    named: (name, x) => (typeof x === 'number' ? x : named(name, x)),
    add: binary('+', 'sum', ['atom', 'product'], (a, b) => a + b),
    sub: binary('-', 'sum', ['atom', 'product'], (a, b) => a - b),
    mul: binary('*', 'product', ['atom'], (a, b) => a * b),
    div: binary('/', 'product', ['atom'], (a, b) => a / b),
    sqrt: (a) => (typeof a === 'number' ? Math.sqrt(a) : atom(`torch.sqrt(${a.text})`)),
    sign: (a) => (typeof a === 'number' ? Math.sign(a) : atom(`torch.sign(${a.text})`)),
  };
}
