"""What is live, for other programs.

In: a bundle and its bank. Out: the classes as vectors, in one file. Import the module that you need.
"""
