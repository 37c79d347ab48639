"""How a run shows itself in a notebook: what it is, its epochs and curves; and how it does so while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from minicnn.layers.notebook import layer_html
from minicnn.notebook import Html, curves, file_picture, joined, shown, table
from minicnn.runs.run_directory import RunDirectory
from minicnn.runs.settings import Settings
from minicnn.runs.trained import TrainedNetwork, listed
from minicnn.training.history import Epoch, best_epoch
from minicnn.training.progress import Moment, Progress, moment_text

if TYPE_CHECKING:
    from minicnn.runs.comparison import RunRecord
    from minicnn.runs.run import Run

ALWAYS_TOLD = ("data", "model", "image_size", "epochs", "batch_size", "optimizer", "lr")


class NotebookProgress(Progress):
    """One output that follows the training: a bar for the epoch that goes on, curves, a row for each that is done."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._as_html = HTML
        self._notes: list[str] = []
        self._history: list[Epoch] = []
        self._moment: Moment | None = None
        self._output = display(HTML(""), display_id=True)

    def note(self, text: str) -> None:
        self._notes.append(text)
        self._show()

    def moment(self, moment: Moment) -> None:
        self._moment = moment
        self._show()

    def epoch_done(self, row: Epoch, epochs: int) -> None:
        self._moment = None
        self._history.append(row)
        self._show()

    def close(self) -> None:
        self._moment = None
        self._show()

    def _show(self) -> None:
        going_on = "" if self._moment is None else _bar(self._moment)
        html = joined(*self._notes, history_html(self._history), going_on)
        self._output.update(self._as_html(html))


def history_html(history: Sequence[Epoch]) -> Html:
    """Return curves of loss and accuracy, and a row for each epoch, the best one in bold; nothing before the first."""
    if not history:
        return Html("")
    validated = not isnan(history[-1].val_loss)
    best = best_epoch(history) if validated else None
    rows = [_cells(row, row is best, validated) for row in history]
    heads = ["epoch", "loss", "accuracy", "images/s", "seconds"]
    heads[3:3] = ["validation loss", "accuracy", "top-5"] if validated else []
    loss = {"training": [row.train_loss for row in history]}
    accuracy = {"training": [row.train_accuracy for row in history]}
    if validated:
        loss["validation"] = [row.val_loss for row in history]
        accuracy["validation"] = [row.val_accuracy for row in history]
    drawings = Html(curves(loss, "loss in nats") + curves(accuracy, "accuracy", highest=1.0))
    return joined(drawings, table(heads, rows, "r" * len(heads)))


def run_html(run: Run) -> Html:
    """Return what is trained on what, and what has come of it so far."""
    history = run.trainer.history
    lines = run.describe()[:-1] if history else run.describe()  # its last line says how far it is: the table shows that
    return joined(Html(f"<b>{shown(run.title)}</b>"), *lines, _outcome(history, run.directory))


def record_html(record: RunRecord) -> Html:
    """Return a run directory's settings, of most only those that were changed, and what came of them."""
    usual = Settings().to_config()
    told = {name: value for name, value in record.settings.items() if name in ALWAYS_TOLD or value != usual.get(name)}
    settings = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in told.items())
    title = Html(f"<b>{shown(record.path)}</b>: {len(record.history)} of {record.settings['epochs']} epochs")
    return joined(title, settings, _outcome(record.history, RunDirectory(record.path)))


def trained_html(trained: TrainedNetwork) -> Html:
    """Return what a trained network knows, and its layers."""
    facts, settings = trained.facts, trained.settings
    source = f", the {trained.checkpoint} weights of a run on {settings.data}" if settings is not None else ""
    title = Html(f"<b>{shown(facts.model)}</b>{shown(source)}")
    return joined(title, f"{len(facts.classes)} classes: {listed(facts.class_names, most=10)}", layer_html(trained.net))


def _outcome(history: Sequence[Epoch], directory: RunDirectory) -> Html:
    confusion = file_picture(directory.confusion, "which classes were taken for which")
    return joined(history_html(history), Html(f'<div style="max-width:640px">{confusion}</div>' if confusion else ""))


def _cells(row: Epoch, best: bool, validated: bool) -> list[object]:
    """Return an epoch's figures, in bold if it is the best."""
    cells = [f"{row.epoch}", f"{row.train_loss:.4f}", f"{row.train_accuracy:.1%}"]
    cells += [f"{row.val_loss:.4f}", f"{row.val_accuracy:.1%}", f"{row.val_top5:.1%}"] if validated else []
    cells += [f"{row.images_per_second:,.0f}", f"{row.seconds:.1f}"]
    return [Html(f"<b>{cell}</b>") for cell in cells] if best else list(cells)


def _bar(moment: Moment) -> Html:
    where = f"epoch {moment.epoch}/{moment.epochs}, step {moment.step} of {moment.steps}"
    bar = f'<progress value="{moment.step}" max="{moment.steps}" aria-label="{where}"></progress>'
    return Html(f"{bar} {where}: {shown(moment_text(moment))}")


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
