"""The formats, one file a system; `catalogue.py` beside this folder lists them."""
