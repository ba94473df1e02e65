from django.apps import AppConfig
from django.contrib.admin import apps as admin

from . import celery  # noqa: F401 (so that tasks are sent through our application)


class Ragsite(AppConfig):
    name = "ragsite"
    default = True


class RagsiteAdmin(admin.AdminConfig):
    default = False
    default_site = "ragsite.console.Console"
