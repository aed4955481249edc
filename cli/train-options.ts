import { optionIgnored } from '../src/ir/codes/train-data.js';
import type { Diagnostic } from '../src/ir/diagnostics.js';
import { kebab } from '../src/options/flags.js';
import type { DataOptions, OpenedData } from '../src/train/data/read-data.js';
import type { RunSettings } from '../src/train/settings.js';

/** Options of a run, by option name, without those that the command line gives. */
export function resumed(held: RunSettings, given: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  const { plan, reading, data, evalData } = held;
  const { schedule } = plan;
  const options: Readonly<Record<string, unknown>> = {
    data: data.file,
    evalData: evalData?.file,
    evalSplit: held.evalSplit,
    streaming: held.stream !== null,
    ...(held.stream ? { shuffleWindow: held.stream.window } : {}),
    epochs: plan.epochs,
    maxSteps: plan.maxSteps ?? undefined,
    accumulate: plan.accumulate,
    lr: schedule.peak,
    schedule: schedule.kind,
    warmup: schedule.warmup,
    minLr: schedule.floor,
    power: schedule.power,
    seed: plan.seed,
    lossScale: plan.lossScale,
    evalEvery: plan.evalEvery ?? undefined,
    checkpointEvery: plan.checkpointEvery,
    best: plan.best,
    patience: plan.patience ?? undefined,
    ...readingOptions(reading),
    batchSize: held.batchSize,
    inputs: new Map(Object.entries(held.inputs)),
    ep: held.ep,
    threads: held.threads,
    lowMemory: held.lowMemory,
  };
  return Object.fromEntries(Object.entries(options).filter(([name]) => !given.has(name)));
}

/** How a run read its data, by option name. */
export function readingOptions(reading: DataOptions): Readonly<Record<string, unknown>> {
  return {
    tokenizer: reading.tokenizer ?? undefined,
    textField: reading.fields.text,
    pairField: reading.fields.pair ?? undefined,
    labelField: reading.fields.label,
    promptField: reading.fields.prompt,
    completionField: reading.fields.completion,
    sourceField: reading.fields.source,
    targetField: reading.fields.target,
    decoderStart: reading.decoderStart ?? undefined,
    messagesField: reading.fields.messages,
    tokensField: reading.fields.tokens,
    tagsField: reading.fields.tags,
    badLines: reading.badLines,
    maxLength: reading.maxLength,
    padTo: reading.padTo,
    task: reading.task ?? undefined,
    quote: reading.quote ?? undefined,
    labels: reading.labels ?? undefined,
    bucket: reading.bucket,
    bos: reading.bos ?? undefined,
    eos: reading.eos ?? undefined,
    pack: reading.pack,
    lossOn: reading.lossOn,
    subwords: reading.subwords,
  };
}

/** Warnings for options that the command line gives and that do not apply to this data and model. */
export function unusedNotes(unused: OpenedData['unused'], given: ReadonlySet<string>): readonly Diagnostic[] {
  return [...unused].flatMap(([name, why]) => {
    const option = `--${kebab(name)}`;
    return given.has(name) ? [optionIgnored({ option, why })] : [];
  });
}
