"""`python -m minicnn` is the `minicnn` command."""

from minicnn.cli.main import main

if __name__ == "__main__":
    main()
