"""The checks of an experienced eye: what is likely to be wrong with a network, its data or its settings.

Each check is a function of a `Subject` in a file of its name, and gives a `Finding`: a verdict, the figure that it
rests on, and what to do. `examine` runs them all; `minicnn doctor` prints what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from minicnn.errors import UsageError
from minicnn.inspection.doctor.dead_relus import dead_relus
from minicnn.inspection.doctor.duplicates import duplicates
from minicnn.inspection.doctor.equal_filters import equal_filters
from minicnn.inspection.doctor.finding import Finding, Verdict
from minicnn.inspection.doctor.gradient_flow import gradient_flow
from minicnn.inspection.doctor.input_statistics import input_statistics
from minicnn.inspection.doctor.label_balance import label_balance
from minicnn.inspection.doctor.learning_rate import learning_rate
from minicnn.inspection.doctor.loss_at_start import loss_at_start
from minicnn.inspection.doctor.overfitting import overfitting
from minicnn.inspection.doctor.saturated_sigmoids import saturated_sigmoids
from minicnn.inspection.doctor.separate_pictures import separate_pictures
from minicnn.inspection.doctor.split_size import split_size
from minicnn.inspection.doctor.subject import Part, Subject
from minicnn.inspection.doctor.update_ratio import update_ratio
from minicnn.training.batches import as_batches
from minicnn.training.trainer import Trainer

Check = Callable[[Subject], Finding]

CHECKS: tuple[Check, ...] = (
    input_statistics, label_balance, duplicates, split_size,
    loss_at_start, equal_filters, separate_pictures, gradient_flow, dead_relus, saturated_sigmoids,
    overfitting, learning_rate, update_ratio,
)  # fmt: skip


def examine(
    trainer: Trainer, training: object, validation: object, *, batch_size: int = 32, seed: int = 0,
    class_names: Sequence[str] = (),
) -> dict[str, Finding]:  # fmt: skip
    """Run every check, and return what each found, by its name.

    trainer: as it would begin to train, on the CPU; it is left as it is. training, validation: as for `Trainer.train`,
    as are batch_size and seed. class_names: in label order, for what is said about classes. Raises UsageError for a
    trainer on a GPU, and for data that cannot be trained on.
    """
    if trainer.device != "cpu":
        raise UsageError("the checks run on the CPU: make the network and the trainer there")
    batches = as_batches(training, batch_size, shuffle=True, seed=seed)
    parts = Part.of(training, batch_size), Part.of(validation, batch_size)
    return dict(run_checks(Subject(trainer, batches, *parts, class_names)))


def run_checks(subject: Subject) -> Iterator[tuple[str, Finding]]:
    """Yield the name of each check and what it found, one after the other.

    A network of the user's own may fail in a check, as it would in training: that is then what was found.
    """
    for check in CHECKS:
        try:
            finding = check(subject)
        except MemoryError:
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            finding = Finding(Verdict.BROKEN, f"it cannot be run: {type(error).__name__}: {text}", "mend that first")
        yield name_of(check), finding


def name_of(check: Check) -> str:
    """Return what a check is called: its function's name in words."""
    return check.__name__.replace("_", " ")
