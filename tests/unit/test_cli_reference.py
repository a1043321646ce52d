from pathlib import Path

import pytest

from etl.cli.reference import render

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_what_the_command_line_says():
    assert PAGE.read_text(encoding="utf-8") == render(), "docs/cli.md is stale: just docs"


@pytest.mark.parametrize(
    "line",
    [
        "## etl run",
        "## etl db start",
        "    etl publish RUN_ID [OPTIONS]",
        "    etl validate [STAGE] [OPTIONS]",
        "- `--phase PHASE` all, 1..4, or analyze, raw, staging, curated. Default: `all`.",
        "- `--publish / --no-publish` Switch readers to the result. Default: `--publish`.",
        "- `--json` Print machine-readable JSON on stdout.",
    ],
)
def test_the_page_tells_commands_arguments_and_options(line):
    assert line in render().splitlines()
