"""An inspection photo set for people without photos at hand.

In: a folder, and if wanted other classes, numbers and another seed. Out: `train/CLASS/*.jpg` and `test/CLASS/*.jpg`,
256 px, the same bytes each time. Nothing is photographed: `surfaces` draw a material's colour, relief and shine,
`wear` adds what every real surface has, `lines` and `spots` damage it, `light` shades it and `camera` takes the photo.
`sample_classes` says which surface with which damage is a class; a new class is one more line there.
"""

from components.sample.draw import PHOTOS_PER_CLASS, draw_photo, draw_sample
from components.sample.sample_classes import CLASSES, SampleClass

__all__ = ["CLASSES", "PHOTOS_PER_CLASS", "SampleClass", "draw_photo", "draw_sample"]
