"""Imports what converts a block, layouts and twins included: workers are copies of a process that has.

Nothing else may import this module.
"""

from prefdata.converting import convert_block as convert_block
from prefdata.formats import LAYOUTS
from prefdata.quick import TWINS

LAYOUTS.load()
TWINS.load()
