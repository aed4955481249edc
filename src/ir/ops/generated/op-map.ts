export interface OpMap {
  MatMul: { attrs: Record<never, never> };
}
