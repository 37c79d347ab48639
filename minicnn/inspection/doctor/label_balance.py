"""Are all classes there, and about as often?"""

from __future__ import annotations

import numpy as np

from minicnn.inspection.doctor.finding import Finding, Verdict, listed
from minicnn.inspection.doctor.subject import Subject

UNEVEN = 3.0  # times as many pictures of the most frequent class as of the rarest one


def label_balance(subject: Subject) -> Finding:
    """Count the pictures of each class, in training and in validation.

    A network that always names the most frequent class is right as often as that class comes, having learnt nothing:
    accuracy has to be compared with that share. Source: He & Garcia 2009, "Learning from imbalanced data".
    """
    counts, seen = (np.bincount(part.labels, minlength=subject.classes) for part in (subject.train, subject.validation))
    most, least = int(counts.argmax()), int(counts.argmin())
    share = counts[most] / counts.sum()
    numbers = {"most": int(counts[most]), "least": int(counts[least]), "share_of_most": float(share)}
    missing = [subject.name_of(int(label)) for label in np.flatnonzero(counts == 0)]
    if missing:
        figure = f"no training picture of {listed(missing)}, among {subject.classes} classes"
        return Finding(Verdict.BROKEN, figure, "add some, or leave the class out: it cannot be learnt", numbers)
    figure = f"{counts[least]:,} ({subject.name_of(least)}) to {counts[most]:,} ({subject.name_of(most)}) of a class"
    if counts[least] == counts[most]:
        figure = f"{counts[most]:,} pictures of each class"
    if unseen := [subject.name_of(int(label)) for label in np.flatnonzero(seen == 0)]:
        figure = f"no validation picture of {listed(unseen)}"
        return Finding(Verdict.LOOK, figure, "nobody will know whether these were learnt: add some", numbers)
    if counts[most] > UNEVEN * counts[least]:
        figure += f"; always to say {subject.name_of(most)} is right for {share:.0%}"
        weighted = subject.trainer.loss.class_weights is not None
        advice = "judge by F1, not accuracy" + ("" if weighted else "; try --class-weights balanced")
        return Finding(Verdict.LOOK, figure, advice, numbers)
    return Finding(Verdict.FINE, figure, numbers=numbers)
