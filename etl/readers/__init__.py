"""One module a source format, each with a ``READER`` (the protocol is in ``etl/reader.py``)."""
