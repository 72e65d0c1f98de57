"""The Bento: the classifier with its model and its code, in one folder that serves without this repository.

In: the bundle and bank of the stages. Out: the folder that `bentoml serve` takes. Import the module that you need.
"""
