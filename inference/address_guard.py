"""Refuses link-local addresses: the metadata services of clouds, which give a machine's credentials to any caller.

The servers of models are often on private addresses, so those are allowed.
"""

from ipaddress import IPv6Address, ip_address

_NAMES = ("metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "instance-data")
_METADATA = {ip_address(each) for each in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192")}


class LinkLocal(OSError):
    """The address is link-local, or it is the metadata service of a cloud."""


def is_refused(host: str) -> bool:
    """Return whether this is a name or a literal address of a metadata service."""
    host = host.strip("[]").rstrip(".").lower()
    if host in _NAMES:
        return True
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:  # a name: GuardedResolver checks its addresses
        return False
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_link_local or ip in _METADATA
