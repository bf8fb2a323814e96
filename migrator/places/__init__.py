"""Where bytes come from: files and folders, wherever they lie."""
