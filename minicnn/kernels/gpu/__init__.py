"""CuPy twins of the operations, for arrays on a GPU. Imported when the first of them is needed.

Each module holds the functions of the module of the same name in `minicnn.ops`; the CUDA C that they launch stands
beside them in a `.cu` file, and `launch.py` says how. Matrix products are cuBLAS's, through `matmul`, but for those of
a convolution that gathers its windows itself (`algorithms.py` chooses). `minicnn.devices.tf32_products` lets both run
on tensor cores, with 10 instead of 23 bits of mantissa.

No module here imports CuPy: a twin takes the array module from the array it is given, as the formulas do. Whatever
such a module offers `RawModule` runs these kernels, which is how they are tested without a GPU.
"""
