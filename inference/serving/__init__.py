"""The container that serves our own embedding models and cross-encoders, as SageMaker asks: /ping, /invocations.

It imports nothing of Ragsite but the wire format, and runs as `python -m inference.serving`.
"""
