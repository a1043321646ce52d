# What is done often, and what CI does. `uv run just` works where just itself is not installed.

set positional-arguments

# Say what there is
default:
    @just --list

# Migrate the sample legacy through all zones, in the embedded PostgreSQL
demo:
    uv run etl run
    uv run etl status

# Everything that looks at the code without running it
check: lint types layers

# Style, and the formatter's opinion
lint:
    uv run ruff check
    uv run ruff format --check

# Types
types:
    uv run mypy

# Who may import whom
layers:
    uv run lint-imports

# The tests; arguments go to pytest
test *arguments:
    uv run pytest "$@"

# Speed and memory, as ratios to what PostgreSQL itself needs
bench *arguments:
    uv run python -m tests.bench.bench "$@"

# The generated pages; a test fails while they are stale
docs:
    uv run python -m schemas.dictionary > docs/dictionary.md
    uv run python -m etl.cli.reference > docs/cli.md

# Build the wheel, and use it from a fresh environment in another folder
wheel:
    .ci/wheel
