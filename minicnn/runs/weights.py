"""What training leaves of a network: its weights, and the facts that tell what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicnn.errors import UsageError
from minicnn.layers.weights import read_arrays
from minicnn.models.pretrained import PACKAGES
from minicnn.models.registry import MODELS
from minicnn.runs.network_file import NetworkFacts, read_network
from minicnn.runs.pretrained import read_pretrained
from minicnn.runs.run_directory import RunDirectory
from minicnn.runs.settings import Settings


@dataclass(frozen=True)
class TrainedWeights:
    """Parameters and running statistics by dotted name, and what they are of: numbers and texts alone.

    Where the network is code of the user's own, it is not executed. settings, checkpoint: of a run, its own and which
    of its weights these are, "best" or "last".
    """

    facts: NetworkFacts
    arrays: Mapping[str, np.ndarray]
    settings: Settings | None = None
    checkpoint: str | None = None

    @classmethod
    def read(cls, path: str, checkpoint: str | None = None) -> TrainedWeights:
        """Read what `path` names: the folder of a run, a network's file, or a pretrained network.

        checkpoint: of a run, its "best" weights or its "last"; None for the best. Nothing else has a choice.
        Raises UsageError when it is none of the three, has no such weights, or is damaged.
        """
        if Path(path).is_dir() or not path:
            return cls._read_run(RunDirectory(path), checkpoint or "best")
        if not Path(path).exists() and path in MODELS and path not in PACKAGES:
            raise UsageError(
                f"{path} has learnt nothing yet: name a run of it, which `minicnn train --model {path} --out RUN` makes"
            )
        if not Path(path).exists() and path not in PACKAGES:
            raise UsageError(
                f"there is no run directory {path}, nor a network's file or a pretrained network of that name "
                f"({', '.join(PACKAGES)})"
            )
        if checkpoint is not None:
            raise UsageError(f"{path} holds one set of weights, and a run alone has several: leave out --checkpoint")
        return cls(*(read_network(path) if Path(path).exists() else read_pretrained(path)))

    @classmethod
    def _read_run(cls, directory: RunDirectory, checkpoint: str) -> TrainedWeights:
        config = directory.read_config()
        settings = directory.read_settings(config)
        facts = NetworkFacts.from_config(config, settings.model, directory.config)
        return cls(facts, read_arrays(directory.weights(checkpoint))[0], settings, checkpoint)
