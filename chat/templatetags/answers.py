from datetime import timedelta
from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def seconds(duration: timedelta) -> str:
    """Return a duration as people say it: 0.8 s, 42 s, 3 min 05 s."""
    total = max(0.0, duration.total_seconds())
    if total < 10:
        return f"{total:.1f} s"
    if total < 60:
        return f"{total:.0f} s"
    minutes, rest = divmod(round(total), 60)
    return f"{minutes} min {rest:02} s"


@register.filter
def dollars(amount: Decimal) -> str:
    """Return US dollars with two digits that say something: $1.20, $0.0034."""
    if amount >= 1:
        return f"${amount:.2f}"
    return f"${amount:.2g}" if amount >= Decimal("0.0001") else "under $0.0001"
