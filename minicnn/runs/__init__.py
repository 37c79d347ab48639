"""The application around the library: settings, run directories, checkpoints, the live display, pictures of a run.

Read `run` first, which puts the parts of `minicnn.training` together as the settings ask; `run_directory` says what a
run leaves behind, `trained` how that is used again.
"""
