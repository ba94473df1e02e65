"""`python -m ragsite.embedded`: `up`, if the environment can be read; a variable that cannot ends in a sentence."""

import sys

from django.core.exceptions import ImproperlyConfigured

try:
    from .up import main
except ImproperlyConfigured as error:
    sys.exit(f"Ragsite cannot run. {error}")

sys.exit(main())
