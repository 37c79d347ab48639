"""CuPy twins of the operations, for arrays on a GPU. Imported when the first of them is needed."""
