"""Errors of an endpoint's configuration. Errors of model calls are in inference.errors.

EndpointError
├── OtherModel       another embedding model answers at the address than the one whose vectors are stored
└── SecretMissing    the secret reference is well-formed, but no secret is there; it names only the reference
"""

from core.errors import DomainError


class EndpointError(DomainError): ...


class OtherModel(EndpointError): ...


class SecretMissing(EndpointError): ...
