"""`python -m synthseg_serving`: the command without its script."""

from synthseg_serving.cli import main

main(prog_name="synthseg-serving")
