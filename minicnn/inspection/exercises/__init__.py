"""Exercises: operations whose body a learner writes, and a check that answers as a teacher does.

`exercise_file` makes the file from the operation's own source, `check_file` says what is right or wrong with it, and
`train_file` trains a small network with it. An exercise is its cases and its mistakes, in `tasks`, in files named as in
`minicnn.ops`.
"""

from minicnn.inspection.exercises.blank_file import exercise_file
from minicnn.inspection.exercises.exercise import Exercise
from minicnn.inspection.exercises.language import LANGUAGES, Text, chosen_language
from minicnn.inspection.exercises.process import check_file, train_file
from minicnn.inspection.exercises.tasks import EXERCISES, find
from minicnn.inspection.exercises.training import TRAINS
from minicnn.inspection.exercises.verdict import Verdict

__all__ = [
    "EXERCISES", "LANGUAGES", "TRAINS", "Exercise", "Text", "Verdict", "check_file", "chosen_language", "exercise_file",
    "find", "train_file",
]  # fmt: skip
