"""The hosts, re-enacted on this machine as far as they can be: what a site there is given, denied and asked.

site = written_for("heroku", folder)     a clean copy of this repository, with the files that the host wants
with Instance(command, variables, site) as instance:
    visited(instance.url)
"""

from __future__ import annotations

from tests.hosts.copied import copied, demijohn, written_for
from tests.hosts.instance import Instance, run
from tests.hosts.visitors import SECRET, served_after_rests, visited

__all__ = ["SECRET", "Instance", "copied", "demijohn", "run", "served_after_rests", "visited", "written_for"]
