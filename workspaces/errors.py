"""Errors of workspaces.

WorkspaceError
├── MembershipRefused      a membership cannot be created, changed or ended like this
├── InvalidValue           a value of a field or filter is invalid; the sentence says which values are valid
└── EngineError
    ├── WrongDimensions    a vector does not fit the workspace's index
    └── Incomplete         not all chunks of a document are staged, so nothing was published
"""

from core.errors import DomainError


class WorkspaceError(DomainError): ...


class MembershipRefused(WorkspaceError): ...


class InvalidValue(WorkspaceError): ...


class EngineError(WorkspaceError): ...


class WrongDimensions(EngineError): ...


class Incomplete(EngineError): ...
