"""Refuses link-local addresses: the metadata services of clouds, which give a machine's credentials to any caller.

The servers of models are often on private addresses, so those are allowed.
"""

from ipaddress import ip_address

from .ip_addresses import is_metadata

_NAMES = ("metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "instance-data")


class LinkLocal(OSError):
    """The address is link-local, or it is the metadata service of a cloud."""


def is_refused(host: str) -> bool:
    """Return whether this is a name or a literal address of a metadata service."""
    host = host.strip("[]").rstrip(".").lower()
    if host in _NAMES:
        return True
    try:
        return is_metadata(ip_address(host.partition("%")[0]))
    except ValueError:  # a name: GuardedResolver checks its addresses
        return False
