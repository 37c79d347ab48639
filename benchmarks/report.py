"""From a results file to Markdown tables: the comparison, memory, the layers, the scaling, the threads."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measure import ratio

PYTORCH = ("pytorch", "pytorch channels_last")
OTHERS = {
    "jax": "JAX",
    "tensorflow": "TensorFlow",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "numpy": "NumPy formulas",
}  # a column where they were measured


def markdown(results: dict[str, Any]) -> str:
    """Return all tables that the results allow."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    environment = ", ".join(f"{name}={value}" for name, value in machine.get("environment", {}).items())
    head = [
        f"Measured {results['date']} on {machine['cpu']} with {machine['cores']} cores, {results['threads']} threads; "
        f"Python {machine['python']}, {versions}{f'; {environment}' if environment else ''}.",
        "Times are medians over turns A B A B in separate processes; ratios are medians of paired turns with their "
        "quartiles, PyTorch's time ÷ minicnn's, so more is better for minicnn.",
    ]
    sections = [" ".join(head)]
    for title, key, table in (
        ("Networks", "workloads", comparison), ("Layers", "layers", layer_table), ("Scaling", "scaling", comparison),
        ("Threads", "thread_scaling", thread_table),
    ):  # fmt: skip
        if results.get(key):
            sections.append(f"### {title}\n\n{table(results[key])}")
    return "\n\n".join(sections) + "\n"


def comparison(measured: list[dict[str, Any]]) -> str:
    """Return a row for each workload, and the geometric means of training and inference."""
    others = [name for name in OTHERS if any(name in result["seconds"] for result in measured)]
    head = [
        "network", "task", "batch", "threads", "minicnn ms", "PyTorch NCHW ms", "channels_last ms", "× best layout",
        "× default layout", *(f"{OTHERS[name]} ms" for name in others), "% of SGEMM", "peak MiB (PyTorch)",
    ]  # fmt: skip
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    rows += [_comparison_row(result, others) for result in measured]
    for task in ("training", "inference"):
        chosen = [r for r in measured if r["task"] == task and all(name in r["seconds"] for name in PYTORCH)]
        if chosen:
            best = statistics.geometric_mean(ratio(r, best_layout(r))[1] for r in chosen)
            default = statistics.geometric_mean(ratio(r, "pytorch")[1] for r in chosen)
            means = f"| **geometric mean** | {task} | | | | | | **{best:.2f}** | **{default:.2f}** |"
            rows.append(means + " |" * (len(others) + 2))
    return "\n".join(rows)


def best_layout(result: dict[str, Any]) -> str:
    """Return PyTorch's faster layout for this workload."""
    return min(
        (name for name in PYTORCH if name in result["seconds"]),
        key=lambda name: statistics.median(result["seconds"][name]),
    )


def _comparison_row(result: dict[str, Any], others: list[str]) -> str:
    seconds, memory = result["seconds"], result["peak_mib"]

    def time_of(engine: str) -> str:
        return f"{statistics.median(seconds[engine]) * 1e3:.4g}" if engine in seconds else ""

    def ratio_to(engine: str) -> str:
        lower, middle, upper = ratio(result, engine)
        return f"{middle:.2f} ({lower:.2f}–{upper:.2f})"

    compared = [name for name in PYTORCH if name in seconds]
    best = ratio_to(best_layout(result)) if compared else ""
    default = ratio_to("pytorch") if "pytorch" in seconds else ""
    peaks = f"{memory['minicnn']:.0f}"
    if compared:
        smallest = min(memory[name] for name in compared)
        peaks += f" ({smallest:.0f}: ×{memory['minicnn'] / smallest:.2f})"
    cells = [
        f"{result['model']} {result['image_size']}", result["task"], result["batch"], result["threads"],
        time_of("minicnn"), time_of("pytorch"), time_of("pytorch channels_last"), best, default,
        *(time_of(name) for name in others),
        f"{100 * share_of_sgemm(result):.0f}" if "sgemm" in seconds else "", peaks,
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def share_of_sgemm(result: dict[str, Any]) -> float:
    """Return minicnn's rate as a share of the machine's SGEMM rate in the same turns.

    Rates count the products of the plain algorithm, in training three times those of forward (the picture's own
    gradient is left out, but counted): a faster algorithm, such as Winograd's, can come above 1.
    """
    passes = 3 if result["task"] == "training" else 1
    own, machine = result["forward_flops"]["minicnn"] * passes, result["forward_flops"]["sgemm"]
    return own / machine * ratio(result, "sgemm")[1]


def layer_table(measured: list[dict[str, Any]]) -> str:
    """Return a row for each layer or fused block: forward and backward of minicnn and of PyTorch's layouts."""
    rows = [
        "| network | layer | minicnn forward ms | backward ms | PyTorch NCHW forward | backward "
        "| channels_last forward | backward |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in measured:
        by_name = {
            engine: {name: (forward, backward) for name, forward, backward in layers}
            for engine, layers in result["layers"].items()
        }
        for name in by_name["minicnn"]:
            cells = [f"{result['model']} {result['image_size']}, batch {result['batch']}", name]
            for engine in ("minicnn", *PYTORCH):
                times = by_name.get(engine, {}).get(name)
                cells += [f"{seconds * 1e3:.2f}" for seconds in times] if times else ["", ""]
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def thread_table(measured: list[dict[str, Any]]) -> str:
    """Return a row for each engine: its step with one thread and with all, which took turns, and what that gains."""
    rows = ["| network | task | engine | 1 thread ms | threads | ms | × faster |", "|---|---|---|---|---|---|---|"]
    for result in measured:
        threads = str(result["threads"])
        alone, together = (f"{statistics.median(result['seconds'][key]) * 1e3:.4g}" for key in ("1", threads))
        lower, middle, upper = ratio(result, "1", threads)
        gain = f"{middle:.2f} ({lower:.2f}–{upper:.2f})"
        workload = f"{result['model']} {result['image_size']}, batch {result['batch']}"
        rows.append(
            "| " + " | ".join((workload, result["task"], result["engine"], alone, threads, together, gain)) + " |"
        )
    return "\n".join(rows)
