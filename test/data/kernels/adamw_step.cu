// One AdamW step on 85 numbers.
extern "C" __global__ void __launch_bounds__(64)
adamw_step(const float* __restrict__ gradient, float* __restrict__ parameter, float* __restrict__ moment1, float* __restrict__ moment2, float learning_rate, float beta1, float beta2, float epsilon, float weight_decay, float correction1, float correction2) {
  const unsigned element = blockIdx.x * 64u + threadIdx.x;
  if (element < 85u) {
    const float g = gradient[element];
    const float m = moment1[element] * beta1 + g * (1.0f - beta1);
    const float v = moment2[element] * beta2 + g * g * (1.0f - beta2);
    moment1[element] = m;
    moment2[element] = v;
    parameter[element] = parameter[element] * (1.0f - learning_rate * weight_decay) - m / correction1 / (sqrtf(v / correction2) + epsilon) * learning_rate;
  }
}
