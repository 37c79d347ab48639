"""Look inside a network: are its gradients right (gradcheck), and what does each layer cost (summary)?"""

from minicnn.inspection.checks import check_everything, smallest_image_size
from minicnn.inspection.gradcheck import gradcheck, gradcheck_loss, gradcheck_operation
from minicnn.inspection.gradient_report import ArrayCheck, GradientReport
from minicnn.inspection.summary import LayerSummary, Summary, summarize

__all__ = [
    "ArrayCheck", "GradientReport", "LayerSummary", "Summary", "check_everything", "gradcheck", "gradcheck_loss",
    "gradcheck_operation", "smallest_image_size", "summarize",
]  # fmt: skip
