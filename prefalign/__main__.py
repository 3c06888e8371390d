"""`python -m prefalign` is the `prefalign` program."""

from prefalign.cli import main

main()
