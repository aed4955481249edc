import { readFile } from 'node:fs/promises';
import {
  AutoConfig,
  AutoTokenizer,
  BertForSequenceClassification,
  TextClassificationPipeline,
} from '@huggingface/transformers';
import { AdapterSession } from 'lotrc/runtime';
import * as ort from 'onnxruntime-node';

// node classify.mjs FOLDER TEXT ADAPTER...   FOLDER: config.json, tokenizer.json, tokenizer_config.json, onnx/model.onnx
const [folder, text, ...adapters] = process.argv.slice(2);
const local = { local_files_only: true };
const config = await AutoConfig.from_pretrained(folder, local);
const tokenizer = await AutoTokenizer.from_pretrained(folder, local);

// the session takes the place of the one that the model would make for itself
const session = await AdapterSession.open(await readFile(`${folder}/onnx/model.onnx`), { ort, ep: 'cpu' });
const model = new BertForSequenceClassification(config, { model: session }, {});
const classify = new TextClassificationPipeline({ task: 'text-classification', model, tokenizer });

console.log('base', JSON.stringify(await classify(text)));
for (const file of adapters) {
  await session.load(file, await readFile(file));
  session.use(file);
  console.log(file, JSON.stringify(await classify(text)));
}
await session.close();
