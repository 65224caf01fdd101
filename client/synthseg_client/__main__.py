"""`python -m synthseg_client`."""

from synthseg_client.cli import main

main(prog_name="synthseg-client")
