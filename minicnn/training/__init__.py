"""From loss to learning: the loss, the optimizers and schedules, the loop, metrics and evaluation.

Read `trainer` (the loop) first, then `losses`, `optimizers`, `schedules`, `metrics`, `evaluation`. Nothing here knows
of files: what a run of the command keeps, and where, is the business of `minicnn.runs`.
"""
