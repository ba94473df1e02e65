"""What can go wrong between an operator's endpoint and a call. What a model does wrong: inference.errors.

EndpointError
└── SecretMissing    the reference is well formed, but nothing is there; it names the reference, not the secret
"""

from core.errors import DomainError


class EndpointError(DomainError): ...


class SecretMissing(EndpointError): ...
