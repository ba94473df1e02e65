"""Health states of models: operators filter the admin list by them, and the console counts them."""

from functools import partial

from django.db.models import Q

from core.admin.filters import StateFilter
from inference.providers import PROVIDERS

from .models import Endpoint

SLOW_MS = 3000  # a tiny call that takes longer is noticeable to users


class HealthFilter(StateFilter):
    title = "health"
    parameter_name = "health"
    model = Endpoint
    states = {
        "well": ("Healthy", lambda: Q(is_enabled=True, last_check_ok=True, last_check_ms__lt=SLOW_MS)),
        "slow": ("Slow", lambda: Q(is_enabled=True, last_check_ok=True, last_check_ms__gte=SLOW_MS)),
        "failing": ("Failing", lambda: Q(is_enabled=True, last_check_ok=False)),
        "unchecked": ("Never checked", lambda: Q(is_enabled=True, last_check_ok=None)),
        "off": ("Switched off", lambda: Q(is_enabled=False)),
    }


class ProviderFilter(StateFilter):
    title = "provider"
    parameter_name = "provider"
    model = Endpoint
    states = {key: (each.label, partial(Q, provider=key)) for key, each in PROVIDERS.items()}


def health_of(endpoint: Endpoint) -> tuple[str, str]:
    """Return the key and label in HealthFilter.states that apply to this endpoint."""
    if not endpoint.is_enabled:
        state = "off"
    elif endpoint.last_check_ok is None:
        state = "unchecked"
    elif not endpoint.last_check_ok:
        state = "failing"
    else:
        state = "slow" if (endpoint.last_check_ms or 0) >= SLOW_MS else "well"
    return state, HealthFilter.states[state][0]
