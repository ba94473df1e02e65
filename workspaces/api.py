from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest import ApiView
from models_registry.models import Endpoint
from models_registry.ping import check
from workspaces.engines.pgvector.maintenance import state_of, try_again

from .access import workspace_for, workspaces_for
from .access_levels import name_levels
from .engines import ENGINES, EngineError
from .models import Membership, Role, Workspace
from .provision import change_workspace, create_workspace, delete_workspace
from .serializers import (
    EngineSerializer,
    NewWorkspace,
    VectorIndexSerializer,
    WorkspaceChanges,
    WorkspaceSerializer,
)


class Engines(ApiView):
    pagination_class = None  # they are few, and not in the database

    @extend_schema(summary="List the engines", tags=["workspaces"], responses=EngineSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = [{"id": key, "name": name} for key, (name, _) in ENGINES.items()]
        return Response(EngineSerializer(rows, many=True).data)


class Workspaces(ListModelMixin, ApiView):
    serializer_class = WorkspaceSerializer

    def get_queryset(self) -> QuerySet[Workspace]:
        return workspaces_for(self.user).select_related("embedder", "reranker", "summarizer", "condenser")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "roles": self._roles()}

    def _roles(self) -> dict[UUID, str]:
        """Return the roles in all workspaces at once; an operator may do everything everywhere."""
        if self.user.is_operator:
            return dict.fromkeys(self.get_queryset().values_list("pk", flat=True), Role.MANAGER)
        return dict(Membership.objects.filter(user=self.user).values_list("workspace_id", "role"))

    @extend_schema(summary="List your workspaces", tags=["workspaces"])
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        summary="Create a workspace",
        tags=["workspaces"],
        request=NewWorkspace,
        responses={201: WorkspaceSerializer},
    )
    def post(self, request: Request) -> Response:
        if not self.user.has_perm("workspaces.add_workspace"):
            raise PermissionDenied("You may not create workspaces. Ask an operator to allow it.")
        fields = self.read(request, NewWorkspace)
        fields.setdefault("embedder", Endpoint.objects.offered(Endpoint.Kind.EMBEDDING).first())
        _check_answers(fields, "embedder", "reranker", "summarizer", "condenser")
        levels = fields.pop("access_levels", [])
        try:
            with transaction.atomic():
                workspace = create_workspace(self.user, **fields)
                if levels:
                    _name_levels(self.user, workspace, levels)
        except EngineError as error:
            raise ValidationError({"embedder": [str(error)]}) from error
        return Response(_described(self, workspace), status=201)


class OneWorkspace(ApiView):
    serializer_class = WorkspaceSerializer

    @extend_schema(summary="Read a workspace", tags=["workspaces"])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(_described(self, workspace_for(self.user, workspace_id)))

    @extend_schema(summary="Change a workspace", tags=["workspaces"], request=WorkspaceChanges)
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        fields = self.read(request, WorkspaceChanges, partial=True)
        _check_answers(fields, "reranker", "summarizer", "condenser")
        levels = fields.pop("access_levels", None)
        with transaction.atomic():
            change_workspace(self.user, workspace, **fields)
            if levels is not None:
                _name_levels(self.user, workspace, levels)
        return Response(_described(self, workspace))

    @extend_schema(
        summary="Delete a workspace and everything in it", tags=["workspaces"], responses={204: None}
    )
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        delete_workspace(self.user, workspace_for(self.user, workspace_id, Role.MANAGER))
        return Response(status=204)


class WorkspaceVectorIndex(ApiView):
    serializer_class = VectorIndexSerializer

    @extend_schema(
        summary="See how the vector index stands",
        description="Choose another kind with `indexKind` of the workspace.",
        tags=["workspaces"],
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        return Response(VectorIndexSerializer(state_of(workspace)).data)

    @extend_schema(
        summary="Try again to build the vector index", tags=["workspaces"], request=None,
        responses={202: VectorIndexSerializer},
    )  # fmt: skip
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        try_again(workspace)
        return Response(VectorIndexSerializer(state_of(workspace)).data, status=202)


def _name_levels(user: User, workspace: Workspace, names: list[str]) -> None:
    try:
        name_levels(workspace, user, names)
    except ModelValidationError as error:
        raise ValidationError({"accessLevels": error.messages}) from error


def _described(view: ApiView, workspace: Workspace) -> Any:
    return WorkspaceSerializer(workspace, context={"request": view.request}).data


def _check_answers(fields: dict[str, Any], *names: str) -> None:
    """Make one real call to each model that was chosen: one that is down now would fail every document."""
    for name in names:
        if name not in fields or (fields[name] is None and name != "embedder"):
            continue
        if fields[name] is None:
            raise ValidationError(
                {name: ["No embedding model is set up yet. An operator adds one in the admin."]}
            )
        check(fields[name])
        if not fields[name].last_check_ok:
            sentence = (
                f"{fields[name]} does not answer just now: {fields[name].last_error} Nothing was saved."
            )
            raise ValidationError({name: [sentence]})
