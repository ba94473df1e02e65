"""What can go wrong with a workspace.

WorkspaceError
├── MembershipRefused      a membership cannot be made, changed or ended so
├── InvalidValue           a value of a field or a filter does not fit; it says what is allowed
└── EngineError
    ├── WrongDimensions    a vector does not fit the workspace's index
    └── Incomplete         not all chunks of a document are staged: nothing was published
"""

from core.errors import DomainError


class WorkspaceError(DomainError): ...


class MembershipRefused(WorkspaceError): ...


class InvalidValue(WorkspaceError): ...


class EngineError(WorkspaceError): ...


class WrongDimensions(EngineError): ...


class Incomplete(EngineError): ...
