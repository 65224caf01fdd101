from __future__ import annotations

from pathlib import Path

from synthseg_client.server_log import last_words

TENSORFLOW = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795815146.868136   13018 port.cc:153] oneDNN custom operations are on.
I0000 00:00:1795815146.868137   13018 cudart_stub.cc:31] Could not find cuda drivers.
"""


def test_tensorflow_s_banner_does_not_hide_what_went_wrong(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(TENSORFLOW + "Error: a.h5 is no file.\nfurther\n" + TENSORFLOW)
    assert last_words(log) == " It said:\n  Error: a.h5 is no file.\n  further"
    log.write_text("\n".join(map(str, range(9))))
    assert last_words(log) == " It said:\n  4\n  5\n  6\n  7\n  8"


def test_the_banner_is_told_where_there_is_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(TENSORFLOW)
    assert last_words(log).endswith("Could not find cuda drivers.")
    log.write_text("")
    assert last_words(log) == last_words(tmp_path / "none") == ""
