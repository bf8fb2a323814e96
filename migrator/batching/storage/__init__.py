"""Sources and destinations at addresses that fsspec knows: object stores, web servers, ..."""
