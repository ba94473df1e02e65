"""The webhook through which the bucket reports an arrived file: by EventBridge, SNS, or S3's own event format."""

import base64
import json
import logging
from contextlib import suppress

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.rest.errors import error_response

from .uploads import complete_arrived, keys_in

log = logging.getLogger(__name__)


@login_not_required
@csrf_exempt  # the secret authenticates the sender, and a browser never has it
@require_POST
def s3_events(request: HttpRequest) -> JsonResponse:
    """Queue the uploads that an event names.

    Raises Http404 unless a bucket and an event secret are configured.
    """
    if not settings.S3_EVENT_SECRET or not settings.S3_BUCKET:
        raise Http404
    if not constant_time_compare(_secret(request), settings.S3_EVENT_SECRET):
        refusal = error_response(
            401, "Send RAGSITE_S3_EVENT_SECRET in X-Ragsite-Secret, or as the password of HTTP Basic."
        )
        refusal["WWW-Authenticate"] = (
            'Basic realm="Ragsite"'  # SNS sends its password only after this challenge
        )
        return refusal
    try:
        event = json.loads(request.body)
        keys = list(keys_in(event))
    except ValueError:
        return error_response(400, "The body is not valid JSON.")
    if isinstance(event, dict) and event.get("Type") == "SubscriptionConfirmation":
        log.warning("SNS asks to confirm a subscription. If it is yours, open: %s", event.get("SubscribeURL"))
    try:
        for key in keys:
            complete_arrived.apply_async((key,), retry=False)
    except (OperationalError, RedisError):
        return error_response(503, "The broker is unreachable. Send the event again.")
    return JsonResponse({"queued": len(keys)}, status=202)


def _secret(request: HttpRequest) -> str:
    """Return the secret in the request. EventBridge sends a header, SNS the password of its endpoint URL."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return base64.b64decode(credentials).decode().partition(":")[2]
    return request.headers.get("X-Ragsite-Secret", "")
