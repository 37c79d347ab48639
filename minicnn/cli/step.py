"""`minicnn step`: a forward and a backward pass, one operation at a time."""

from __future__ import annotations

from minicnn.cli.options import (
    Checkpoint,
    Image,
    Label,
    OwnNetwork,
    RunOrModel,
    Training,
    UntrainedClasses,
    UntrainedSeed,
    UntrainedSize,
)


def step(
    run: RunOrModel,
    image: Image = None,
    label: Label = None,
    training: Training = False,
    checkpoint: Checkpoint = None,
    model: OwnNetwork = None,
    image_size: UntrainedSize = None,
    classes: UntrainedClasses = None,
    seed: UntrainedSeed = 0,
) -> None:
    """Step through a pass, one operation at a time, forward and then backward.

    Each shows its formula, where that stands, what it gets and returns, and memory; `debug` goes into its own code,
    with its arguments in scope, and `help` tells the rest.
    """
    import numpy as np

    from minicnn.inspection.recording import record_pass
    from minicnn.inspection.stepper import Stepper
    from minicnn.runs.looked_at import look_at, open_network

    seen = look_at(open_network(run, checkpoint, model, image_size, classes, seed), image, label)
    _, recorder = record_pass(seen.network.net, seen.x, np.array([seen.label]), "reference", training)
    recorder.end()
    Stepper(recorder.steps, seen.title).cmdloop()
