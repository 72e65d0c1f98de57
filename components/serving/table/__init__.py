"""Answers many photos into a table: the named photos, a row for each, and the file of the rows.

In: folders, patterns, lists, archives and files as people name them; the answers to their photos. Out: rows with the
columns of `rows.COLUMNS`, as CSV or Parquet; photos sorted into a folder per class; a page of thumbnails. Import the
module that you need.
"""
