from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from .consumers import ChatConsumer

websocket_urlpatterns = [
    path("socket", ChatConsumer.as_asgi()),
    re_path("", WebsocketDenier.as_asgi()),  # reject any other address instead of raising a traceback
]
