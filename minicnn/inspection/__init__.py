"""Look inside a network.

Are its gradients right (gradcheck)? What does each layer cost (summary)? Every number of a pass by name (trace); and
line by line: `python -m minicnn.inspection.debugger SCRIPT`. What is likely to be wrong with it, its data and settings
(doctor)? Where in a picture does it look, what fools it, what does it get wrong (look)?
"""

from minicnn.inspection.checks import Coverage, check_everything, coverage, smallest_image_size
from minicnn.inspection.gradcheck import gradcheck, gradcheck_loss, gradcheck_operation
from minicnn.inspection.gradient_report import ArrayCheck, GradientReport, ModeCheck, PartCheck, Ran, checked_files
from minicnn.inspection.summary import LayerSummary, Summary, summarize
from minicnn.inspection.trace import Explanation, Trace, TracedArray, trace

__all__ = [
    "ArrayCheck", "Coverage", "Explanation", "GradientReport", "LayerSummary", "ModeCheck", "PartCheck", "Ran",
    "Summary", "Trace", "TracedArray", "check_everything", "checked_files", "coverage", "gradcheck", "gradcheck_loss",
    "gradcheck_operation", "smallest_image_size", "summarize", "trace",
]  # fmt: skip
