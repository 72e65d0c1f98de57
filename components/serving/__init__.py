"""Serving: photos in, classes with calibrated probabilities out, by command line and over HTTP.

In: a saved bundle and the backbone that it was made with. Out: `answers` (photo to answer), `search` (question to the
workspace's photos), `service` (over HTTP: `edge` speaks with clients, `batched` holds the model, `place` says what is
served, `ending` how it stops). Import the module that you need: the service's edge must not load a model's libraries.
"""
