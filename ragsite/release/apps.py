from django.apps import AppConfig


class Release(AppConfig):
    name = "ragsite.release"
    label = "release"
