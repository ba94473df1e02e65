from django.urls import path

from . import views

urlpatterns = [
    path("workspaces/new/", views.create, name="workspace-create"),
    path("workspaces/<uuid:workspace_id>/members/", views.members, name="workspace-members"),
    path(
        "workspaces/<uuid:workspace_id>/members/<int:membership_id>/",
        views.member_change,
        name="workspace-member",
    ),
    path(
        "workspaces/<uuid:workspace_id>/members/<int:membership_id>/remove/",
        views.member_remove,
        name="workspace-member-remove",
    ),
    path("workspaces/<uuid:workspace_id>/vector-index/", views.vector_index, name="workspace-vector-index"),
    path("workspaces/<uuid:workspace_id>/settings/", views.settings, name="workspace-settings"),
    path("workspaces/<uuid:workspace_id>/delete/", views.delete, name="workspace-delete"),
]
