"""What answers: photos in, classes with calibrated probabilities out, by command line and over HTTP.

In: a saved bundle and the backbone that it was made with. Out: `answers` (photo to answer), `service` (BentoML, over
HTTP), `package` (the Bento). Import the module that you need: the service's edge must not load a model's libraries.
"""
