"""The formatters of core.numbers as template filters."""

from django import template

from core.numbers import dollar_words, duration_words, millisecond_words

register = template.Library()
register.filter("seconds", duration_words)
register.filter("milliseconds", millisecond_words)
register.filter("dollars", dollar_words)
