"""The `minicnn` command: one module a verb. What takes long to import is imported when its verb runs."""
