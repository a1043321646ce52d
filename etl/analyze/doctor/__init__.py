"""Is everything sound that a run depends on? Asked before anything moves; nothing permanent is written anywhere.

The checks stand in the zones ``legacy``, ``target``, ``path`` and ``here``. What cannot be asked, because something it
depends on failed, is left out; the check that failed says so.
"""

from etl.analyze.doctor.visit import DoctorRequest, diagnose, examine_servers, exit_code

__all__ = ["DoctorRequest", "diagnose", "examine_servers", "exit_code"]
