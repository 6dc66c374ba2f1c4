import pytest

from imagesmith.host.apt_mirror import parse_mirror


def test_the_first_debian_among_foreign_sources_is_taken() -> None:
    printed = (
        "'https://example.org/apt/dists/cloud-sdk-bookworm/InRelease' example.org_apt_InRelease 0 \n"
        "'http://security.example.org/debian-security/dists/bookworm-security/InRelease' x 0 \n"
        "'http://mirror.example.org:3142/debian/dists/bookworm/InRelease' y 0 \n"
        "'http://other.example.org/debian/dists/trixie/InRelease' z 0 \n"
    )

    assert "http://mirror.example.org:3142/debian" == parse_mirror(printed)


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "'http://archive.example.org/ubuntu/dists/jammy/InRelease' x 0 \n",
        "'http://example.org/debian/dists/bookworm-updates/InRelease' x 0 \n",
    ],
)
def test_a_machine_without_a_debian_source_has_none(printed: str) -> None:
    assert parse_mirror(printed) is None
