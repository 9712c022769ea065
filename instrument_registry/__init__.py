"""What trading modules import: the instruments of the warehouse, under every broker's spelling.

Importing it costs next to nothing: the standard library only, none of the other packages.
"""
