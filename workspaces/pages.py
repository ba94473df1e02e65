from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from accounts.http import UserRequest

from .access import role_in
from .models import Role, Workspace


def workspace_page(
    request: UserRequest, workspace: Workspace, tab: str, template: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Render one tab of a workspace. `workspace` comes from `workspace_for`."""
    role = role_in(request.user, workspace) or Role.VIEWER
    shared = {
        "workspace": workspace,
        "tab": tab,
        "role": role,
        "may_edit": role.level >= Role.EDITOR.level,
        "may_manage": role == Role.MANAGER,
    }
    return render(request, template, shared | context, status=status)
