// the entry for Node of wgsl_reflect cannot be imported, and the one for browsers has its types elsewhere
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
