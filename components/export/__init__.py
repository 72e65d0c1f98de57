"""Exports of the live classifier for other programs.

In: a bundle and its bank. Out: vectors of the classes, an ONNX file, a page for a browser, or the model card. Import
the module that you need.
"""
