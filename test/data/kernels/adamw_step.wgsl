// One AdamW step on 85 numbers.

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;

struct Uniforms {
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
}
@group(0) @binding(4) var<uniform> uniforms: Uniforms;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let element = group.x * 64u + local.x;
  if (element < 85u) {
    let g = gradient[element];
    let m = moment1[element] * uniforms.beta1 + g * (1.0 - uniforms.beta1);
    let v = moment2[element] * uniforms.beta2 + g * g * (1.0 - uniforms.beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0 - uniforms.learning_rate * uniforms.weight_decay) - m / uniforms.correction1 / (sqrt(v / uniforms.correction2) + uniforms.epsilon) * uniforms.learning_rate;
  }
}
