from synthseg_client.commands.report_options import Pages


def test_defaults_leave_places_and_processes_to_the_command() -> None:
    assert Pages() == Pages(output=None, scans=None, jobs=None, quiet=False)
