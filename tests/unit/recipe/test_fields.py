"""Parsers of single values: what each takes, and what it says about the rest."""

import string
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.model.units import GIB, MIB
from imagesmith.recipe import accounts, fields
from imagesmith.recipe.fields import FieldError

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBTpoGYPyrKBv/CD7Mok8RFbh9FCDs4EUkCMXl/4pTEE"
HASH = "$6$nobodys.salt$" + "x" * 86


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (fields.hostname_pattern, "jetson{n}-node", "jetson{n}-node"),
        (fields.hostname_pattern, "9lives", "9lives"),
        (fields.interface, "enp1s0.7", "enp1s0.7"),
        (fields.first_address, "10.0.0.10/30", IPv4Interface("10.0.0.10/30")),
        (fields.first_address, "10.0.0.10/1", IPv4Interface("10.0.0.10/1")),
        (fields.gateway, "192.168.0.1", IPv4Address("192.168.0.1")),
        (fields.network, "10.244.0.0/16", IPv4Network("10.244.0.0/16")),
        (fields.locale, "C.UTF-8", "C.UTF-8"),
        (fields.locale, "ca_ES.UTF-8@valencia", "ca_ES.UTF-8@valencia"),
        (fields.timezone, "UTC", "UTC"),
        (fields.swap_size, "64MiB", 64 * MIB),
        (fields.swap_size, "64 GiB", 64 * GIB),
        (fields.mount_source, "NAS.lab.example:/export", "NAS.lab.example:/export"),
        (fields.mount_source, "10.0.0.1:/", "10.0.0.1:/"),
        (fields.mount_target, "/home/guest/", "/home/guest"),
        (fields.mount_target, "/opt/share", "/opt/share"),
        (fields.mount_option, "nfsvers=4.1", "nfsvers=4.1"),
        (fields.package_version, "1.11.0a0+17540c5", "1.11.0a0+17540c5"),
        (fields.kubernetes_version, "1.24.0", "1.24.0"),
        (fields.base_name, "jetpack-4.6.1-nano-2gb", "jetpack-4.6.1-nano-2gb"),
        (accounts.user_name, "a_b-c1", "a_b-c1"),
        (accounts.password_hash, f"{HASH}\n", HASH),
        (
            accounts.password_hash,
            HASH.replace("$6$", "$6$rounds=656000$"),
            HASH.replace("$6$", "$6$rounds=656000$"),
        ),
        (accounts.public_keys, f"# mine\n\n{ED25519}  a  comment \n", (f"{ED25519} a  comment",)),
    ],
)
def test_what_is_right_is_taken(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert value == parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "message", "suggestion"),
    [
        (fields.hostname_pattern, "a{n}{n}", "'a{n}{n}' has {n} more than once", "once is enough"),
        (fields.hostname_pattern, "a{i}", "'a{i}' has braces around something else than n", "write {n}"),
        (
            fields.hostname_pattern,
            "a.lab",
            "'a.lab' has a dot: a host name is one label",
            "the domain goes to nodes.search",
        ),
        (
            fields.hostname_pattern,
            "-a",
            "'-a' is not a host name",
            "small letters, digits and hyphens, no hyphen at either end: RFC 1123",
        ),
        (fields.hostname_pattern, "{n}", "'{n}' cannot name a host", "for example jetson{n}-node"),
        (
            fields.hostname_pattern,
            "localhost",
            "'localhost' cannot name a host",
            "for example jetson{n}-node",
        ),
        (fields.interface, "lo", "'lo' is not a network interface", "a Nano's is eth0"),
        (fields.interface, "a" * 16, f"'{'a' * 16}' is not a network interface", "a Nano's is eth0"),
        (
            fields.first_address,
            "10.0.0.1/31",
            "'10.0.0.1/31' has no usable prefix",
            "1 to 30, for example 10.0.0.1/24",
        ),
        (
            fields.first_address,
            "10.0.0.1/255.255.255.0",
            "'10.0.0.1/255.255.255.0' has no usable prefix",
            "1 to 30, for example 10.0.0.1/24",
        ),
        (
            fields.host_address,
            "169.254.1.1",
            "169.254.1.1 is a link-local address: no host can have it",
            "for example 192.168.0.10",
        ),
        (
            fields.host_address,
            "0.0.0.0",
            "0.0.0.0 is the unspecified address: no host can have it",
            "for example 192.168.0.10",
        ),
        (
            fields.host_address,
            "250.1.1.1",
            "250.1.1.1 is a reserved address: no host can have it",
            "for example 192.168.0.10",
        ),
        (fields.network, "10.244.0.0", "'10.244.0.0' is not a network", "for example 10.244.0.0/16"),
        (fields.network, "10.244.0.0/33", "'10.244.0.0/33' is not a network", "for example 10.244.0.0/16"),
        (
            fields.locale,
            "en_US.ISO-8859-1",
            "'en_US.ISO-8859-1' is not a UTF-8 locale",
            "write en_US.UTF-8",
        ),
        (
            fields.timezone,
            "Mars/Olympus",
            "'Mars/Olympus' is not a time zone",
            "Area/City, for example Europe/Paris",
        ),
        (fields.swap_size, "9" * 400, f"'{'9' * 59}…' is not a size", "for example 4GiB"),
        (
            fields.swap_size,
            "65GiB",
            "65 GiB is no sensible swap",
            "64MiB to 64GiB; leave out swap for none",
        ),
        (
            fields.mount_source,
            "127.0.0.1:/srv",
            "127.0.0.1 is a loopback address: no host can have it",
            "for example 192.168.0.10",
        ),
        (
            fields.mount_source,
            "[fd00::1]:/srv",
            "'[fd00::1]:/srv' is not an NFS share",
            "server:/path, for example 192.168.0.1:/media/nfs",
        ),
        (
            fields.mount_target,
            "/",
            "'/' belongs to the system",
            "a folder under /media, /mnt, /srv or /home",
        ),
        (
            fields.mount_target,
            "/srv/../etc",
            "'/srv/../etc' is not a plain path",
            "no '..', '.' or '//'",
        ),
        (fields.whole_number(1, 9), "٣", "'٣' is not a whole number", "decimal digits, no leading zero"),
        (
            fields.whole_number(1, 9),
            "9" * 5000,
            f"'{'9' * 59}…' is not a whole number",
            "decimal digits, no leading zero",
        ),
        (
            fields.kubernetes_version,
            "2.0",
            "'2.0' is not a Kubernetes version",
            "for example 1.31, without a v",
        ),
        (
            accounts.public_keys,
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE=",
            "an ssh-ed25519 key that is cut short or damaged",
            "copy the whole line of the .pub file",
        ),
        (
            accounts.public_keys,
            ED25519.replace("ssh-ed25519", "ssh-rsa"),
            "an ssh-rsa key that is cut short or damaged",
            "copy the whole line of the .pub file",
        ),
        (
            accounts.public_keys,
            f"{ED25519} one\x07",
            "an ssh-ed25519 key that is cut short or damaged",
            "copy the whole line of the .pub file",
        ),
        (
            accounts.public_keys,
            f"-----BEGIN OPENSSH {'private'.upper()} KEY-----",
            "a PRIVATE key: it must never leave its owner",
            "name the .pub file beside it",
        ),
        (accounts.public_keys, "# none\n", "no public key", "make one with: ssh-keygen -t ed25519"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(
    parse: Callable[[str], Any], text: str, message: str, suggestion: str
) -> None:
    with pytest.raises(FieldError) as caught:
        parse(text)

    assert (message, suggestion) == (caught.value.message, caught.value.suggestion)


PARSERS: list[Callable[[str], Any]] = [
    fields.recipe_version,
    fields.recipe_name,
    fields.base_name,
    fields.overlay_name,
    fields.domain,
    fields.mount_option,
    fields.keyboard_layout,
    fields.keyboard_variant,
    fields.keyboard_model,
    fields.package_version,
    fields.hostname_pattern,
    fields.interface,
    fields.host_address,
    fields.gateway,
    fields.first_address,
    fields.network,
    fields.locale,
    fields.timezone,
    fields.swap_size,
    fields.mount_source,
    fields.mount_target,
    fields.accepted,
    fields.kubernetes_version,
    fields.whole_number(1, 250),
    fields.one_of("kubeadm", "k3s"),
    accounts.user_name,
    accounts.uid,
    accounts.gecos,
    accounts.shell,
    accounts.group_name,
    accounts.password_hash,
    accounts.public_keys,
]
# What the values are made of, with the characters of other scripts that str.isdigit and \d take for digits.
near_values = st.text(string.ascii_letters + string.digits + "./:-_@$+{}n٣²é \t\n\0", max_size=40)


@pytest.mark.parametrize("parse", PARSERS, ids=range(len(PARSERS)))
@given(
    text=st.text()
    | near_values
    | st.sampled_from(["ssh-rsa ", "1.", "/", ":/", "$6$"]).flatmap(
        lambda start: near_values.map(lambda rest: start + rest)
    )
)
def test_no_text_is_a_bug(parse: Callable[[str], Any], text: str) -> None:
    refusal = None
    try:
        parse(text)
    except FieldError as exc:
        refusal = exc

    assert refusal is None or (refusal.message and refusal.suggestion)


@given(st.integers(1, 250), st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_an_address_is_taken_as_it_is_or_refused(count: int, number: int, prefix: int) -> None:
    text = f"{IPv4Address(number)}/{prefix}"
    try:
        taken = fields.first_address(text)
    except FieldError:
        address = IPv4Address(number)
        special = (address.is_loopback, address.is_multicast, address.is_link_local, address.is_reserved)
        assert any((*special, address.is_unspecified))
    else:
        assert text == str(taken)
        assert int(taken.ip) + count < 2**32
