"""What people see: progress and messages on stderr, data on stdout.

The only place that imports rich, and only where a terminal shows live progress: it takes a tenth of a second to load.
"""

from etl.console.observer import ConsoleObserver
from etl.console.pages import (
    print_analysis,
    print_checks,
    print_closing_table,
    print_error,
    print_json,
    print_status,
    print_table,
)

__all__ = [
    "ConsoleObserver",
    "print_analysis",
    "print_checks",
    "print_closing_table",
    "print_error",
    "print_json",
    "print_status",
    "print_table",
]
