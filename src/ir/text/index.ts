/** ONNX's textual syntax: see README.md. */
export { type NotShown, notShown } from './not-shown.js';
export { parseModel } from './parser.js';
export { type PrintOptions, printGraph, printModel, printNode } from './printer.js';
