"""Does what the network says of a picture depend on that picture alone?"""

from __future__ import annotations

import numpy as np

from minicnn.backend import to_numpy
from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.subject import Subject

TOGETHER = 8  # pictures
ROUNDING = 1e-3  # of the largest logit: how much the order of sums may change, and far less than another picture does


@np.errstate(over="ignore", invalid="ignore")
def separate_pictures(subject: Subject) -> Finding:
    """Compare the logits of pictures in a batch with those of the same pictures one by one, outside of training.

    They differ where a reshape or a transposition mixes the batch with other axes: such a network trains, and badly.
    Source: Karpathy 2019, "A recipe for training neural networks", "use backprop to chart dependencies".
    """
    net = subject.copy_of_net()
    x = subject.sample[0][:TOGETHER]
    together = to_numpy(net.forward(x))
    alone = np.concatenate([to_numpy(net.forward(x[n : n + 1])) for n in range(len(x))])
    difference = float(np.abs(together - alone).max() / max(float(np.abs(together).max()), 1e-30))
    numbers = {"difference": difference}
    if not np.isfinite(together).all():
        return Finding(Verdict.BROKEN, "its logits are no finite numbers", "look at weights and inputs", numbers)
    if difference <= ROUNDING:
        figure = f"logits of {len(x)} pictures together and one by one agree to {difference:.0e} of the largest"
        return Finding(Verdict.FINE, figure, numbers=numbers)
    advice = "find the layer that mixes the batch's axis (0) with others: a reshape, a transposition, a mean over all"
    figure = f"logits of a picture differ by {difference:.0%} of the largest when others are beside it"
    return Finding(Verdict.BROKEN, figure, advice, numbers)
