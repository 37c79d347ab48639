"""Everything that a run can be told, with its defaults: what `minicnn train` takes and config.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from minicnn.errors import UsageError

LOWEST = {
    "per_class": 0, "image_size": 1, "epochs": 1, "batch_size": 1, "accumulate": 1, "lookahead": 0, "patience": 0,
    "seed": 0, "workers": 0, "unfreeze_at": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How to train. The defaults learn `shapes` to 97 % within a minute on two cores.

    data: a named set or a folder. classes: those of the data to learn: "" for all, "10" for the first ten, a list or a
    file (see `minicnn.data.choose_classes`). per_class: training images of each at most, chosen at random; 0 for all.
    fold: which part of the training images validates, "2/5" for the second of five; "" for the data's own validation
    images. model: see `minicnn.models`. image_size: pixels; images become such squares. epochs: passes over the
    training images. batch_size: images a batch. optimizer: adam or sgd. lr: the highest learning rate. momentum: of
    sgd. nesterov: Nesterov's variant of it. weight_decay: λ. schedule: how lr moves. warmup: share of the steps over
    which lr first rises. label_smoothing: ε. class_weights: "none", or "balanced" where rare classes shall count as
    much as common ones. mixup, cutmix: α of the shares of mixed samples, 0 for none. clip_norm: the largest norm of all
    gradients together, 0 for any. accumulate: batches a step. ema: decay of the average of the weights that is
    validated and kept, 0 for none. lookahead: steps after which the weights go back to an average, which is validated
    and kept, 0 for never. whiten: set the first convolution's filters to those that whiten the pictures' patches, and
    leave them so. patience: epochs without a better validation accuracy after which training ends, 0
    for any number. test_flip: judge images by the mean of the logits of each and its mirror. augment: "none", or names
    from AUGMENTATIONS joined by commas. normalize: a name of NORMALIZATIONS. fit: how pictures become square, one of
    FITS. init: "", or what training starts from: a pretrained network, a network's file or a run. freeze: "", "all"
    (but the last layer), or patterns of layers' names joined by commas. unfreeze_at: the epoch from which all layers
    learn, 0 for never. rates: "", or PATTERN=FACTOR joined by commas: what the learning rate of parameters is
    multiplied by. prune: share of the weights that become zero, 0 for none; prune_scope: "global", or "layer" for the
    same share of each; prune_until: the share of all steps by which they are (see `minicnn.training.pruning`). seed: of
    weights, order, augmentation, dropout, mixing, split and choice of images. workers: threads that read images.
    device: cpu, gpu or auto. tf32: matrix products on the gpu with 10 bits of mantissa. tensorboard: event files for
    it, too. strict: refuse unreadable files rather than skip them.
    Raises UsageError for a value of a wrong type or out of range; what has its own list of names is checked there.
    """

    data: str = "shapes"
    classes: str = ""
    per_class: int = 0
    fold: str = ""
    model: str = "cnn3"
    image_size: int = 40
    epochs: int = 10
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    lookahead: int = 0
    whiten: bool = False
    patience: int = 0
    test_flip: bool = False
    augment: str = "none"
    normalize: str = "0-1"
    fit: str = "squash"
    init: str = ""
    freeze: str = ""
    unfreeze_at: int = 0
    rates: str = ""
    prune: float = 0.0
    prune_scope: str = "global"
    prune_until: float = 0.5
    seed: int = 0
    workers: int = 2
    device: str = "cpu"
    tf32: bool = False
    tensorboard: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not kind:
                raise UsageError(f"{_words(field.name)} should be a {kind.__name__}; got {value!r}")
        for name, lowest in LOWEST.items():
            if getattr(self, name) < lowest:
                raise UsageError(f"{_words(name)} must be at least {lowest}; got {getattr(self, name)}")
        if self.unfreeze_at and not self.freeze:
            raise UsageError(f"unfreeze at epoch {self.unfreeze_at} needs something frozen: add --freeze")
        if self.unfreeze_at and self.prune:
            raise UsageError("prune chooses among the weights that learn from the start: leave out --unfreeze-at")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read what `to_config` wrote, now or before a setting was added: one that is missing has its default.

        Raises UsageError for unknown settings, and as the class does.
        """
        if unknown := sorted(set(config) - {field.name for field in fields(cls)}):
            raise UsageError(f"there are unknown settings: {', '.join(unknown)}")
        return cls(**config)

    def require_effect(self) -> None:
        """Raise UsageError where a setting would change nothing, for the optimizer does without it."""
        for name in ("momentum", "nesterov"):
            if self.optimizer != "sgd" and getattr(self, name) != getattr(Settings, name):
                raise UsageError(
                    f"{name}={getattr(self, name)} is for the optimizer sgd and does nothing to {self.optimizer}: "
                    "leave it out, or take sgd"
                )

    def to_config(self) -> dict[str, Any]:
        """Return all settings in plain JSON values."""
        return asdict(self)

    def changed(self, **changes: Any) -> Settings:
        """Return these settings with some of them changed."""
        return replace(self, **changes)


def _words(name: str) -> str:
    return name.replace("_", " ")
