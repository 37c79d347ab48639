"""How much a pretrained network helps, by how many pictures a class there are to learn from.

    python examples/11_transfer_learning.py [FOLDER] [--per-class 5 20 100] [--start efficientnet_lite0] [--size PIXELS]

Three ways to the same classes: cnn3 from scratch; the pretrained network's last layer alone, on features that are
computed once; and all of the pretrained network, after its last layer. Prints a table and draws runs/transfer.png.
FOLDER as for `minicnn train`; left out, it is the generated set `shapes`. --start may be a run of your own.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.runs.transfer import settings_from


def ways(start: str, size: int | None) -> dict[str, dict]:
    """Return the settings of each way."""
    pretrained = settings_from(start) | ({"image_size": size} if size else {}) | {"init": start, "batch_size": 32}
    head = pretrained | {"freeze": "all", "epochs": 30, "lr": 2e-3, "schedule": "cosine"}
    tuned = pretrained | {"freeze": "all", "unfreeze_at": 11, "epochs": 15, "lr": 1e-3, "rates": "*=0.1,dense1=1"}
    scratch = {"model": "cnn3", "image_size": 64, "epochs": 30, "augment": "flip", "schedule": "cosine"}
    return {"from scratch": scratch, "last layer": head, "fine-tuned": tuned}


def draw(rows: list[tuple[int, dict[str, float]]], path: str) -> None:
    """Draw accuracy against pictures a class, a line for each way."""
    _, axes = plt.subplots(figsize=(7, 4))
    for way in rows[0][1]:
        points = [(count, accuracies[way]) for count, accuracies in rows if way in accuracies]
        axes.plot(*zip(*points, strict=True), marker="o", label=way)
    axes.set(xscale="log", xlabel="training pictures a class", ylabel="validation accuracy, %", ylim=(0, 100))
    counts = [count for count, _ in rows]
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.legend(loc="center right")
    axes.grid(alpha=0.3)
    plt.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="shapes")
    parser.add_argument("--per-class", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--start", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, help="pixels of the pretrained network's pictures")
    parser.add_argument("--ways", nargs="+", help="some of: from scratch, last layer, fine-tuned")
    parser.add_argument("--epochs", type=int, help="of every way, to try the script out")
    arguments = parser.parse_args()

    rows = []
    for count in arguments.per_class:
        accuracies: dict[str, float] = {}
        for way, settings in ways(arguments.start, arguments.size).items():
            if arguments.ways and way not in arguments.ways:
                continue
            if arguments.epochs:
                settings |= {"epochs": arguments.epochs} | ({"unfreeze_at": 2} if "unfreeze_at" in settings else {})
            out = Path("runs", "transfer", f"{way.replace(' ', '-')}-{count}")
            run = Run.start(Settings(data=arguments.data, per_class=count, **settings), str(out))
            accuracies[way] = 100 * run.train().accuracy
            print(f"{count or 'all'} pictures a class, {way}: {accuracies[way]:.1f} %", flush=True)
        rows.append((count or len(run.splits.train) // len(run.splits.classes), accuracies))
    draw(rows, "runs/transfer.png")


if __name__ == "__main__":
    main()
