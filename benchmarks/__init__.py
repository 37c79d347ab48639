"""Side-by-side measurements of minicnn and its peers: `python -m benchmarks --help`.

Reading order: workloads (what is measured), engines/ (who is measured), worker and peers (a process for each engine),
measure (taking turns), report (the tables).
"""
