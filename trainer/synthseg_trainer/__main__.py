"""`python -m synthseg_trainer` is the command `synthseg-trainer`."""

from synthseg_trainer.cli import main

if __name__ == "__main__":
    main(prog_name="synthseg-trainer")
