"""From loss to learning: the loss, the optimizers and schedules, the loop, metrics, checkpoints and pictures.

Read `trainer` (the loop) first, then `losses`, `optimizers`, `schedules`, `metrics`, `evaluation`; `run` puts them
together for the command line and `run_directory` says what a run leaves behind.
"""
