"""Decides what kind an IP address is: public, private, or the metadata service of a cloud. Two guards use it.

An IPv6 address may embed an IPv4 address, which the network then reaches; so that one decides.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890; Oracle's metadata service is among them
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    IPv4Network("168.63.129.16/32"),  # Azure's own services, on a public address
    IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocols, RFC 2928
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: no website needs it
    IPv6Network("3fff::/20"),
)
_PRIVATE = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
# Amazon's, Google's, Alibaba's, Oracle's
_METADATA = {ip_address(each) for each in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192")}


def is_public(ip: Address) -> bool:
    """Tell whether this is an address of the public web."""
    ip = _unwrap(ip)
    if any(ip in network for network in _SPECIAL) or not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    return isinstance(ip, IPv4Address) or ip in _GLOBAL_V6


def is_private(ip: Address) -> bool:
    """Tell whether this is an address of a private network or of this machine.

    Link-local, multicast and reserved addresses and metadata services are neither private nor public.
    """
    ip = _unwrap(ip)
    return ip not in _METADATA and any(ip in network for network in _PRIVATE)


def is_metadata(ip: Address) -> bool:
    """Tell whether this is a link-local address or a cloud's metadata service, in whatever form."""
    forms = (ip, _unwrap(ip), *_tunnelled(ip))
    return any(form.is_link_local or form in _METADATA for form in forms)


def _unwrap(ip: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds, if every network would unwrap it."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return _last_32_bits(ip)
    return ip


def _tunnelled(ip: Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that some networks would reach: through 6to4, or NAT64 with a local prefix."""
    if not isinstance(ip, IPv6Address):
        return []
    local = [_last_32_bits(ip)] if ip in _LOCAL_NAT64 else []
    return [*local, ip.sixtofour] if ip.sixtofour else local


def _last_32_bits(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFFFFFF)
