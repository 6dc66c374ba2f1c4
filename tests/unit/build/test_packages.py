from imagesmith.build.packages import parse_dpkg_status
from imagesmith.model.manifest import Package

STATUS = """Package: bash
Status: install ok installed
Architecture: arm64
Version: 5.1-2
Description: a shell
 Status: not a field, a continuation

Package: gone
Status: deinstall ok config-files
Architecture: arm64
Version: 1

Package: adduser
Status: hold ok installed
Architecture: all
Version: 3.118
"""


def test_only_installed_packages_count_and_they_are_sorted() -> None:
    assert (Package("adduser", "3.118", "all"), Package("bash", "5.1-2", "arm64")) == parse_dpkg_status(
        STATUS
    )
