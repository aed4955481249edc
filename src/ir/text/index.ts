/** ONNX's textual syntax: see README.md. */
export { parseModel } from './parser.js';
export { type PrintOptions, printModel } from './printer.js';
