"""`python -m prefdata` is the `prefdata` program."""

from prefdata.cli import main

main()
