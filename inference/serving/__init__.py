"""Model container for our embedding models and cross-encoders.

It has SageMaker's routes /ping and /invocations.

It imports nothing of Ragsite except the wire format, and runs as `python -m inference.serving`.
"""
