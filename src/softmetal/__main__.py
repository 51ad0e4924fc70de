"""`python -m softmetal`."""

from softmetal.cli.main import main

main()
