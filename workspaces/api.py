from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest import ApiView
from workspaces.engines.pgvector.maintenance import state_of, try_again

from .access import may_create_workspaces, workspace_for, workspaces_for
from .engines import ENGINES
from .models import Membership, Role, Workspace
from .provision import delete_workspace
from .serializers import (
    EngineSerializer,
    NewWorkspace,
    VectorIndexSerializer,
    WorkspaceChanges,
    WorkspaceSerializer,
)
from .settings import change_settings, create_workspace


class Engines(ApiView):
    pagination_class = None  # there are few, and they are not in the database

    @extend_schema(summary="List the engines", tags=["workspaces"], responses=EngineSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = [{"id": key, "name": each.label} for key, each in ENGINES.items()]
        return Response(EngineSerializer(rows, many=True).data)


class Workspaces(ListModelMixin, ApiView):
    serializer_class = WorkspaceSerializer

    def get_queryset(self) -> QuerySet[Workspace]:
        return workspaces_for(self.user).select_related("embedder", "reranker", "summarizer", "condenser")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "roles": self._roles()}

    def _roles(self) -> dict[UUID, str]:
        """Return the roles in all workspaces with one query; an operator is a manager everywhere."""
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
        if not may_create_workspaces(self.user):
            raise PermissionDenied("You may not create workspaces. Ask an operator to allow it.")
        workspace = create_workspace(self.user, **self.read(request, NewWorkspace))
        return Response(_as_json(self, workspace), status=201)


class OneWorkspace(ApiView):
    serializer_class = WorkspaceSerializer

    @extend_schema(summary="Read a workspace", tags=["workspaces"])
    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(_as_json(self, workspace_for(self.user, workspace_id)))

    @extend_schema(summary="Change a workspace", tags=["workspaces"], request=WorkspaceChanges)
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        change_settings(self.user, workspace, **self.read(request, WorkspaceChanges, partial=True))
        return Response(_as_json(self, workspace))

    @extend_schema(
        summary="Delete a workspace and everything in it", tags=["workspaces"], responses={204: None}
    )
    def delete(self, request: Request, workspace_id: UUID) -> Response:
        delete_workspace(self.user, workspace_for(self.user, workspace_id, Role.MANAGER))
        return Response(status=204)


class WorkspaceVectorIndex(ApiView):
    serializer_class = VectorIndexSerializer

    @extend_schema(
        summary="Read the state of the vector index",
        description="To choose another kind, change `indexKind` of the workspace.",
        tags=["workspaces"],
    )
    def get(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        return Response(VectorIndexSerializer(state_of(workspace)).data)

    @extend_schema(
        summary="Retry the build of the vector index", tags=["workspaces"], request=None,
        responses={202: VectorIndexSerializer},
    )  # fmt: skip
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = workspace_for(self.user, workspace_id, Role.MANAGER)
        try_again(workspace)
        return Response(VectorIndexSerializer(state_of(workspace)).data, status=202)


def _as_json(view: ApiView, workspace: Workspace) -> Any:
    return WorkspaceSerializer(workspace, context={"request": view.request}).data
