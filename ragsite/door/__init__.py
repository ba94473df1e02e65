"""What a request meets before it reaches a view: limits of bodies and of requests at once, origins, refusals."""
