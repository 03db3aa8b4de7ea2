import os
import subprocess
import sys
from pathlib import Path

from maxairesources.logging.logger import get_logger


def test_set_up_logging_is_left_alone() -> None:
    # pytest has set up the root logger.
    assert get_logger("a_name").handlers == []


def test_module_that_is_a_command_logs_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "a_handler.py").write_text(
        "from maxairesources.logging.logger import get_logger\n"
        "get_logger(__name__).info('%d rows', 3)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "a_handler"],
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert ended.stderr.endswith(" INFO a_handler: 3 rows\n") and ended.stdout == ""
