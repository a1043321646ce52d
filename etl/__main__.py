"""The program as a module: python -m etl."""

from etl.cli import main

main()
