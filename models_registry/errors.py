"""Errors of an endpoint's configuration. Errors of model calls are in inference.errors.

EndpointError
└── SecretMissing    the secret reference is well-formed, but no secret is there; it names only the reference
"""

from core.errors import DomainError


class EndpointError(DomainError): ...


class SecretMissing(EndpointError): ...
