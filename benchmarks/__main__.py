"""The command line: `python -m benchmarks [--quick] [--only NAME] [--json] …`; prints tables and keeps the results."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import gpu, machine, report
from benchmarks.engines import COMPARED, ENGINES, INFERS_ALONE, installed
from benchmarks.measure import QUICK, THOROUGH, measure, measure_layers, measure_threads, say
from benchmarks.workloads import IMAGE_SIZES, LAYERS_ALONE, documented, scaling

RESULTS = Path(__file__).parent / "results"
PARTS = ("networks", "layers", "scaling")


def arguments() -> argparse.Namespace:
    """Return the options; what the user got wrong ends the process with one line and exit code 2."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description="Measure minicnn beside its peers: PyTorch, JAX, TensorFlow, ONNX Runtime and OpenVINO, each "
        "where it is installed.",
        epilog="pip install '.[bench]' brings JAX, ONNX Runtime and OpenVINO, pip install '.[bench-tensorflow]' "
        "TensorFlow, a download of some 300 MB; PyTorch comes as its own site says.",
    )
    parser.add_argument("--quick", action="store_true", help="few short turns, networks only, against PyTorch alone")
    parser.add_argument(
        "--only", action="append", choices=IMAGE_SIZES | LAYERS_ALONE, metavar="NAME", help="only this network"
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part of the measurements")
    parser.add_argument("--task", choices=("training", "inference"), help="only this task")
    parser.add_argument(
        "--engine", action="append", type=engine, choices=ENGINES, help="only this engine beside minicnn"
    )
    parser.add_argument("--threads", type=thread_count, default=machine.cores(), help="threads of every engine")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="gpu: all parts, against PyTorch")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument(
        "--save",
        action="store_true",
        help=f"keep the results in {RESULTS.name}/ as JSON and Markdown; those of a GPU always are",
    )
    parser.add_argument("--table", type=kept_results, metavar="FILE", help="print the tables of kept results")
    options = parser.parse_args()
    if options.device == "gpu" and (options.part or options.task or options.engine):
        parser.error("--device gpu measures all parts and tasks, against PyTorch: --only and --quick make it shorter")
    return options


def engine(name: str) -> str:
    """Return `name`. Raises ArgumentTypeError when it is an engine that is not installed."""
    if name in ENGINES and name not in installed():
        raise argparse.ArgumentTypeError(f"{name} is not installed; --help says how to get it")
    return name


def thread_count(text: str) -> int:
    """Return how many threads `text` asks for. Raises ArgumentTypeError for more than there are cores, or none."""
    if not text.isdecimal() or not 1 <= int(text) <= machine.cores():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {machine.cores()}, the cores here")
    return int(text)


def kept_results(name: str) -> dict[str, Any]:
    """Return the results in the file `name`. Raises ArgumentTypeError where no tables can be made of it."""
    try:
        results = json.loads(Path(name).read_text())
        tables(results)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        cause = f"{type(error).__name__}: {error}"
        raise argparse.ArgumentTypeError(f"{name} holds no results that this program has kept ({cause})") from None
    return results


def tables(results: dict[str, Any]) -> str:
    """Return the results, of a CPU or of a GPU, as Markdown."""
    return gpu.markdown(results) if results["device"] == "gpu" else report.markdown(results)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for."""
    chosen = options.only or [*IMAGE_SIZES, *LAYERS_ALONE]
    models = [name for name in chosen if name in IMAGE_SIZES]
    parts = options.part or (["networks"] if options.quick else list(PARTS))
    effort = QUICK if options.quick else THOROUGH
    engines = ["minicnn", *(options.engine or [e for e in installed() if e != "minicnn"])]
    if options.quick and not options.engine:
        engines = [name for name in engines if name in COMPARED]
    compared = [name for name in engines if name in COMPARED]
    results: dict[str, Any] = {
        "date": datetime.date.today().isoformat(), "machine": machine.describe(), "threads": options.threads,
        "device": options.device, "effort": {"rounds": effort.rounds, "seconds": effort.seconds},
    }  # fmt: skip
    if "networks" in parts:
        workloads = [w for w in documented(models, options.threads) if options.task in (None, w.task)]
        results["workloads"] = [measure(w, able(engines, w.task), effort, options.device) for w in workloads]
    if "layers" in parts:
        training = [w for w in documented(chosen, options.threads) if w.task == "training"]
        networks = [name for name in compared if name != "sgemm"]
        results["layers"] = [measure_layers(w, networks, effort.rounds, options.device) for w in training]
    if "scaling" in parts and models:
        model = models[0]
        results["scaling"] = [measure(w, compared, effort, options.device) for w in scaling(model, options.threads)]
        if options.threads > 1:
            training = documented([model], options.threads)[0]
            results["thread_scaling"] = [measure_threads(training, name, effort, options.device) for name in compared]
    return results


def able(engines: list[str], task: str) -> list[str]:
    """Return those of `engines` that can do `task`."""
    return [name for name in engines if task == "inference" or name not in INFERS_ALONE]


def main() -> None:
    options = arguments()
    if options.device == "gpu" and not options.table:
        gpu.main(options)
        return
    results = options.table or run(options)
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{results['date']}-{machine.short_name()}.json"
        path.write_text(json.dumps(results, indent=1) + "\n")
        path.with_suffix(".md").write_text(tables(results))
        say(f"kept in {path} and {path.with_suffix('.md').name}")
    sys.stdout.write(json.dumps(results) + "\n" if options.json else tables(results))


if __name__ == "__main__":
    main()
