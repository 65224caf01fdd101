"""`python -m synthseg_generator` is `synthseg-generator`."""

from synthseg_generator.cli import main

# Worker processes import this module too, under another name.
if __name__ == "__main__":
    main()
