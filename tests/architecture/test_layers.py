"""What the layout of the code promises: imports go down, transforms are pure, one module reads the environment."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*ROOT.glob("etl/**/*.py"), *ROOT.glob("schemas/**/*.py")])
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def found(wanted):
    """``module:line`` of every node that `wanted` picks."""
    return [f"{name}:{node.lineno}" for name, tree in TREES.items() for node in ast.walk(tree) if wanted(name, node)]


def imported(node):
    """The modules that an import names."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def is_attribute(node, *names):
    return isinstance(node, ast.Attribute) and node.attr in names


def test_all_modules_are_looked_at():
    assert {"etl/settings.py", "etl/transform/odds.py", "schemas/raw.py"} <= set(TREES)


def test_imports_only_go_down():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("call", ["collect", "collect_async", "fetch", "map_elements", "sink_parquet", "write_parquet"])
def test_transforms_collect_nothing_and_call_no_python(call):
    assert found(lambda name, node: name.startswith("etl/transform/") and is_attribute(node, call)) == []


@pytest.mark.parametrize("module", ["os", "time", "random", "pathlib", "logging", "socket", "subprocess"])
def test_transforms_know_no_clock_no_chance_and_no_file(module):
    places = found(lambda name, node: name.startswith("etl/transform/") and module in imported(node))
    assert places == []


def test_only_settings_and_passwords_come_from_the_environment():
    doors = ("etl/settings.py", "etl/passwords.py")
    places = found(lambda name, node: is_attribute(node, "environ", "getenv", "environb") and name not in doors)
    assert places == []


def test_nothing_swallows_every_exception():
    places = found(
        lambda _, node: (
            isinstance(node, ast.ExceptHandler)
            and (node.type is None or any(isinstance(n, ast.Name) and n.id == "Exception" for n in ast.walk(node.type)))
        )
    )
    assert places == []


def test_a_handler_of_everything_raises_again():
    handlers = [
        node
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "BaseException"
    ]
    assert [node.lineno for node in handlers if not isinstance(node.body[-1], ast.Raise)] == []


def test_only_the_console_imports_rich():
    places = found(
        lambda name, node: (
            any(module.partition(".")[0] == "rich" for module in imported(node)) and not name.startswith("etl/console/")
        )
    )
    assert places == []


def test_nothing_prints():
    is_print = lambda node: isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"  # noqa: E731
    assert found(lambda _, node: is_print(node)) == []


def test_importing_the_command_line_loads_no_data_library():
    heavy = "{'polars', 'pandera', 'pyarrow', 'connectorx', 'adbc_driver_postgresql', 'rich'}"
    code = f"import sys, etl.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
