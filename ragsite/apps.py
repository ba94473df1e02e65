from django.contrib.admin.apps import AdminConfig


class RagsiteAdmin(AdminConfig):
    default_site = "ragsite.console.Console"
