"""HDF5 files: their groups, attributes and data sets, as far as model files use them.

Importing the library that reads HDF5 takes 0.2 s of CPU, it wants files on the disk, and it never
ends on some damaged ones. So ``walk`` reads by itself what Keras writes, with positioned reads and
bounds; for anything else ``apart`` asks h5py, in a process that may die.
"""
