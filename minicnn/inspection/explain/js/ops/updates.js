// One step of SGD on one parameter, in place. The twin of sgd_update in minicnn/ops/updates.py.
//
//   g = grad + λ·w        v ← μ·v + g        w ← w − lr·v        (Nesterov: w ← w − lr·(g + μ·v))

// value, grad, velocity: of one shape; velocity is null without momentum.
export function sgd_update(value, grad, velocity, lr, momentum, nesterov, weight_decay) {
  for (let i = 0; i < value.data.length; i++) {
    const gradient = grad.data[i] + weight_decay * value.data[i];
    if (velocity === null) {
      value.data[i] -= lr * gradient;
      continue;
    }
    velocity.data[i] = momentum * velocity.data[i] + gradient;
    value.data[i] -= lr * (nesterov ? gradient + momentum * velocity.data[i] : velocity.data[i]);
  }
}
