"""The operations as slow loops: one multiplication, one comparison, one number at a time, in Python's own floats.

Files and functions are named as in `minicnn.ops`, whose every formula is checked against them, and nothing of the
engine is used here. They take arrays and settings by the formulas' names, padding as ((top, bottom), (left, right)),
and only those that they need: a backward pass starts from what its forward pass was given, not from what it returned,
where it can. They return float64; what an update changes in place is returned instead.
"""
