import charlm from '../models/charlm/charlm.onnx?url';
import mobyDickTrain from '../models/charlm/moby-dick.train.txt?url';
import mobyDickVal from '../models/charlm/moby-dick.val.txt?url';
import characters from '../models/charlm/vocab.json?url';
import reviewsTest from '../models/sentiment/reviews.test.csv?url';
import reviewsTrain from '../models/sentiment/reviews.train.csv?url';
import sentiment from '../models/sentiment/sentiment.onnx?url';
import words from '../models/sentiment/tokenizer.json?url';
import type { AllTexts, Role } from './protocol.js';

/** A model with data and the values that go with them, which the page has among its own files. */
export interface SampleProject {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly files: readonly SampleFile[];
  readonly texts: AllTexts;
}

interface SampleFile {
  readonly name: string;
  readonly role: Role;
  readonly url: string;
  /** only so many bytes of its start are used */
  readonly bytes?: number;
}

/** Windows of the language model, of 128 characters each, and the one that the last of them predicts. */
const WINDOWS = 64 * 128 + 1;

export const SAMPLES: readonly SampleProject[] = [
  {
    name: 'charlm',
    title: 'A language model learns Moby-Dick',
    about:
      'A character model of 1.2 million weights that has only read speeches of American presidents, and the text of a novel.',
    files: [
      { name: 'charlm.onnx', role: 'model', url: charlm },
      { name: 'moby-dick.train.txt', role: 'data', url: mobyDickTrain },
      { name: 'moby-dick.val.txt', role: 'evaluation', url: mobyDickVal, bytes: WINDOWS },
      { name: 'vocab.json', role: 'tokenizer', url: characters },
    ],
    texts: {
      rewrite: { method: 'lotr', rank: '8', scale: '8', init: 'fan-in' },
      emit: { loss: 'cross-entropy', maxNorm: '0', recompute: 'none' },
      train: {
        ...{ lr: '0.01', warmup: '20', maxSteps: '200', batchSize: '16', maxLength: '128' },
        ...{ evalEvery: '50', checkpointEvery: '10' },
      },
    },
  },
  {
    name: 'sentiment',
    title: 'A classifier of reviews learns restaurants',
    about:
      'A small BERT that knows reviews of goods and films, and 800 sentences about restaurants with labels.',
    files: [
      { name: 'sentiment.onnx', role: 'model', url: sentiment },
      { name: 'reviews.train.csv', role: 'data', url: reviewsTrain },
      { name: 'reviews.test.csv', role: 'evaluation', url: reviewsTest },
      { name: 'tokenizer.json', role: 'tokenizer', url: words },
    ],
    texts: {
      rewrite: { method: 'lotr', rank: '8', scale: '8', init: 'fan-in' },
      emit: { loss: 'cross-entropy' },
      train: { lr: '0.005', epochs: '4', batchSize: '16', maxLength: '40', checkpointEvery: '25' },
    },
  },
];
