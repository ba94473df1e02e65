"""The page in which the browser draws diagrams: a sandbox without origin, cookies and network.

A diagram is text that a model wrote, and Mermaid is much code, which sets styles that our own policy forbids. So it
runs in a frame with a policy of its own (static/js/text/diagrams.js), and the page shows what comes out of it as a
picture, in which nothing runs.
"""

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

_POLICY = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [UNSAFE_INLINE],  # Mermaid measures its labels with the styles of the diagram
    "sandbox": ["allow-scripts"],
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "connect-src": None,
    "form-action": [NONE],
    "img-src": None,
    "object-src": None,
}


@csp_replace(_POLICY)
@xframe_options_exempt
@login_not_required
@require_safe
def diagram_frame(request: HttpRequest) -> HttpResponse:
    """Show the page, which is the same for all: it holds nothing but the scripts."""
    return render(request, "diagram_frame.html")
