"""The Python and the platform that packages are for, in the words of wheels, of uv and of pip."""

from __future__ import annotations

import platform as machine
import re
import sys
from typing import NamedTuple

from demijohn.deploy.vendor.errors import VendorError

#: Short names of platforms, and the tag of wheels that each stands for. Of Linux it is the one that Debian 10, RHEL 8
#: and all that is newer understand.
SHORT = {
    "linux": "manylinux_2_28_x86_64",
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_28_aarch64",
    "linux-arm64": "manylinux_2_28_aarch64",
    "alpine": "musllinux_1_2_x86_64",
    "macos": "macosx_13_0_arm64",
    "macos-arm64": "macosx_13_0_arm64",
    "macos-x86_64": "macosx_13_0_x86_64",
    "windows": "win_amd64",
}
_TAG = re.compile(r"(manylinux_2_\d+|manylinux2014|musllinux_1_\d+|macosx_\d+_\d+|win)_(x86_64|aarch64|arm64|amd64)")
#: Oldest glibc that wheels of these machines are made for.
_OLDEST = {"x86_64": 5, "aarch64": 17}


class Target(NamedTuple):
    """A CPython on a platform."""

    #: `3.13`
    python: str
    #: A tag of wheels: `manylinux_2_28_x86_64`.
    platform: str

    @property
    def system(self) -> str:
        """`linux`, `darwin` or `win32`, as `sys.platform` says it."""
        return {"mac": "darwin", "win": "win32"}.get(self.platform[:3], "linux")

    @property
    def machine(self) -> str:
        """`x86_64`, `aarch64`, `arm64` or `AMD64`, as `platform.machine` says it."""
        name = next(name for name in ("x86_64", "aarch64", "arm64", "amd64") if self.platform.endswith(name))
        return name.upper() if name == "amd64" else name

    @property
    def is_here(self) -> bool:
        """Whether compiled files for it can be loaded on this machine, by a Python of its version."""
        if (self.system, self.machine) != (sys.platform, machine.machine()):
            return False
        # An empty name of the C library is what Alpine's musl gives.
        return self.system != "linux" or (machine.libc_ver()[0] == "glibc") == self.platform.startswith("manylinux")

    def uv_platform(self) -> str:
        """What uv's --python-platform takes."""
        if self.system == "win32":
            return "x86_64-pc-windows-msvc"
        if self.system == "darwin":
            return "aarch64-apple-darwin" if self.machine == "arm64" else "x86_64-apple-darwin"
        if self.platform.startswith("musllinux"):
            return f"{self.machine}-unknown-linux-musl"
        return f"{self.machine}-{self.platform.removesuffix('_' + self.machine)}"

    def pip_platforms(self) -> list[str]:
        """What pip's --platform takes, the best first. pip does not know that a wheel for an older glibc will do."""
        start, _, newest = self.platform.removesuffix("_" + self.machine).rpartition("_")
        if self.platform.startswith("manylinux"):
            top = 17 if self.platform.startswith("manylinux2014") else int(newest)
            tags = [f"manylinux_2_{minor}_{self.machine}" for minor in range(top, _OLDEST[self.machine] - 1, -1)]
            return tags + [f"{old}_{self.machine}" for old in self._old_names(top)]
        if self.platform.startswith("musllinux"):
            return [f"{start}_{minor}_{self.machine}" for minor in range(int(newest), -1, -1)]
        return [self.platform]

    def _old_names(self, top: int) -> list[str]:
        names = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
        return [name for name, minor in names.items() if _OLDEST[self.machine] <= minor <= top]

    def markers(self) -> dict[str, str]:
        """The values of environment markers there (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "nt" if self.system == "win32" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[self.system],
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": self.system,
        }


def make_target(python: str, platform: str) -> Target:
    """The target that a user has named.

    :raises VendorError: there is no such Python or platform.
    """
    version = re.fullmatch(r"(?:cpython-|python-?)?(3\.\d{1,2})(?:\.\d+)?", python.strip(), re.IGNORECASE)
    if version is None:
        raise VendorError(f"{python!r} is not the version of a Python. It is written like this: --python 3.13")
    if tuple(map(int, version[1].split("."))) < (3, 10):
        raise VendorError(f"Demijohn runs on Python 3.10 and newer, so nothing is carried along for {version[1]}.")
    name = platform.strip().lower()
    tag = SHORT.get(name, name)
    if not _TAG.fullmatch(tag) or (tag.startswith(("manylinux", "musllinux")) and tag.endswith(("arm64", "amd64"))):
        known = ", ".join([*SHORT, "manylinux_2_36_x86_64", "musllinux_1_2_aarch64"])
        raise VendorError(f"{platform!r} is not a platform that wheels are made for. Known are: {known}.")
    return Target(version[1], tag)


def running() -> str:
    """The version of the Python that runs this: `3.13`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
