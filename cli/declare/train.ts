import type { Command } from 'commander';
import { ONNX_TRAIN } from '../../src/backends/onnx-train/option-set.js';
import { rewrittenAt } from '../find-model.js';
import type { Run } from '../program.js';
import { addOptions, valuesOf } from './from-set.js';

/** emit: artifacts other than the rewritten model itself. */
export function declareEmitCommands(program: Command, run: Run): void {
  const emit = program.command('emit').description('write artifacts from a rewritten model');
  const train = emit
    .command('onnx-train')
    .description('write a training directory: step, grad, apply, eval and infer graphs in ordinary ONNX ops')
    .argument('<model>', 'a model that `lotrc rewrite` wrote', rewrittenAt);
  addOptions(train, ONNX_TRAIN)
    .addHelpText(
      'after',
      `
Examples:
  lotrc emit onnx-train model.lotr.onnx -o train/ --loss cross-entropy
  lotrc emit onnx-train model.lotr.onnx -o train/ --shift --train M --lr-multiplier M=16
  lotrc emit onnx-train encoder.lotr.onnx -o train/ --loss contrastive --logits last_hidden_state
  lotrc emit onnx-train qa.lotr.onnx -o train/ --loss start:cross-entropy:0.5 --loss end:cross-entropy:0.5
  lotrc emit onnx-train speech.lotr.onnx -o train/ --loss ctc --blank 0
  lotrc emit onnx-train model.lotr.onnx -o train/ --also-train '^classifier' --ep webgpu
  lotrc emit onnx-train model.lotr.onnx --explain --base-dtype auto

For cosine and contrastive a batch holds 2B rows, and row i belongs to row B + i: left sides of the pairs first, then
their right sides. Outputs [rows, seq, width] are averaged over the positions where the mask is 1. Labels of cosine are
B similarities in [-1, 1]; contrastive takes none.`,
    )
    .action(async (model: string) => {
      const { emitTrainCommand } = await import('../commands/emit-train.js');
      await emitTrainCommand(model, valuesOf(train, ONNX_TRAIN), run);
    });
}
