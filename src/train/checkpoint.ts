import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../ir/files/safetensors.js';
import type { TensorData } from '../ir/tensor.js';
import { requireGroups } from './checkpoint-groups.js';
import type { Checkpoint } from './loop.js';
import { type Position, positionFor, positionIn, withPosition } from './position.js';
import { heldOf, type SavedRun } from './saved-run.js';

const FILE = 'checkpoint.safetensors';

/** Parameters, optimizer state (`run.save()`) and position in one file, written whole or not at all. */
export function writeCheckpoint(
  folder: string,
  run: SavedRun,
  state: ReadonlyMap<string, TensorData>,
  position: Position,
): void {
  writeSafetensors(join(folder, FILE), state, withPosition(run, position));
}

/** Where the last checkpoint of a run is; null when there is none, or it is refused where it is read as a whole. */
export function readPosition(folder: string): Position | null {
  const file = join(folder, FILE);
  return existsSync(file) ? positionIn(readSafetensors(file).metadata) : null;
}

/** Throws LOTR8211 when the parameters of a run learnt in another way before its last checkpoint. */
export function requireSameGroups(folder: string, { signature }: SavedRun): void {
  const file = join(folder, FILE);
  if (existsSync(file)) requireGroups(file, readSafetensors(file).metadata, signature);
}

/** The last checkpoint of a run; null when none was written yet. Throws LOTR8212. */
export function readCheckpoint(folder: string, run: SavedRun): Checkpoint | null {
  const file = join(folder, FILE);
  if (!existsSync(file)) return null;
  const { tensors, metadata } = readSafetensors(file);
  return { position: positionFor(run, file, metadata, tensors), tensors: heldOf(tensors) };
}
