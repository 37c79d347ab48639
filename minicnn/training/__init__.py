"""From loss to learning: the loss, the optimizers and schedules, the loop, metrics, checkpoints and pictures."""
